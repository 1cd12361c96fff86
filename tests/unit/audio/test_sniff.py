"""The first look: what is plainly no media is refused with words, everything else passes."""

import gzip
import io
import zipfile

import pytest

from core.audio.sniff import SNIFF_BYTES, sniff
from core.errors import UnsupportedMediaError
from tests.helpers_audio import CLIPS, wav_header


def _zip() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("song.mp3", b"x")
    return buffer.getvalue()


NOT_MEDIA = {
    "zip": _zip(),
    "gzip": gzip.compress(b"x"),
    "bzip2": b"BZh91AY&SY",
    "xz": b"\xfd7zXZ\x00\x00",
    "7z": b"7z\xbc\xaf\x27\x1c\x00",
    "rar": b"Rar!\x1a\x07\x01\x00",
    "zstd": b"\x28\xb5\x2f\xfd\x00",
    "tar": b"a.wav".ljust(257, b"\x00") + b"ustar\x0000",
    "pdf": b"%PDF-1.7\n%\xe2\xe3",
    "html": b"\n <!DOCTYPE html><html>\xff",
    "xml": b'<?xml version="1.0"?><a/>',
    "mpd": b'<MPD xmlns="urn:mpeg:dash:schema:mpd:2011">',
    "m3u8": b"#EXTM3U\n#EXT-X-TARGETDURATION:10\n\xff\xfe",
    "m3u8 with a mark": b"\xef\xbb\xbf#EXTM3U\nhttp://127.0.0.1/x.ts\n",
    "ffconcat": b"ffconcat version 1.0\nfile /etc/passwd\n",
    "pls": b"[playlist]\nFile1=http://127.0.0.1/\n",
    "sdp": b"v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\n",
    "text": b"The quick brown fox.\n",
    "umlauts": "Fix, Schwyz! quäkt Jürgen blöd vom Paß.\n".encode() * 200,
    "utf-16": "plain text".encode("utf-16"),
    "png": b"\x89PNG\r\n\x1a\n\x00\x00",
    "jpeg": b"\xff\xd8\xff\xe0\x00\x10JFIF",
    "gif": b"GIF89a\x01\x00",
    "webp": b"RIFF\x00\x00\x00\x00WEBPVP8 ",
    "elf": b"\x7fELF\x02\x01\x01\x00",
    "exe": b"MZ\x90\x00",
    "sqlite": b"SQLite format 3\x00",
}

MEDIA = {
    "wav": wav_header(rate=8_000, data_bytes=10),
    "amr": b"#!AMR\n",
    "flac": b"fLaC\x00\x00\x00\x22",
    "ogg": b"OggS\x00\x02",
    "mp3 with tags": b"ID3\x04\x00\x00\x00\x00\x00\x00",
    "mp3": b"\xff\xfb\x90\x64\x00",
    "mp4": b"\x00\x00\x00\x20ftypisom\x00\x00\x02\x00",
    "webm": b"\x1a\x45\xdf\xa3\x9f\x42\x86\x81",
    "unknown": bytes(range(256)),
    "zeros": bytes(100),
}


@pytest.mark.parametrize("name", NOT_MEDIA)
def test_what_is_plainly_not_media_is_refused_with_advice(name: str) -> None:
    """The error names what the file looks like and what to send instead."""
    with pytest.raises(UnsupportedMediaError, match=r"looks like .*; send ") as caught:
        sniff(NOT_MEDIA[name])
    assert caught.value.code == "unsupported_media"


@pytest.mark.parametrize("name", MEDIA)
def test_media_and_unknown_bytes_pass(name: str) -> None:
    """Only the decoder can tell whether these are good."""
    sniff(MEDIA[name])


def test_real_speech_passes() -> None:
    """The clips of this repository are media."""
    for path in CLIPS:
        sniff(path.read_bytes())


def test_an_empty_file_has_its_own_code() -> None:
    """A client that sent nothing is told just that."""
    with pytest.raises(UnsupportedMediaError) as caught:
        sniff(b"")
    assert caught.value.code == "empty_file"


@pytest.mark.parametrize("shift", range(4))
def test_text_is_known_wherever_the_first_look_ends(shift: int) -> None:
    """A character of several bytes cut in two by the limit is no sign of binary data."""
    text = b"a" * shift + "€".encode() * SNIFF_BYTES
    with pytest.raises(UnsupportedMediaError):
        sniff(text[:SNIFF_BYTES])
