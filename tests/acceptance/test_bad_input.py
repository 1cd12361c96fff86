"""Files that are no audio, or lie, or would have us look elsewhere: a clear end, soon, and nothing comes of it."""

import contextlib
import io
import select
import socket
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from tests.helpers_audio import clip, encode, flac_of_silence, wav_header, write_wav
from tests.support.live import Json, Service, serving
from tests.support.witness import called, opened

SECONDS = 15.0  # from the upload to the verdict; seconds on a quiet machine
Make = Callable[[Path], bytes]


def zipped(folder: Path) -> bytes:
    """A ZIP with a WAV in it."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.write(write_wav(folder / "in.wav", clip()))
    return buffer.getvalue()


def bomb(folder: Path) -> bytes:
    """30 days of silence in 6 MB."""
    return flac_of_silence(folder / "bomb.flac", days=30, declared=True).read_bytes()


def quiet_bomb(folder: Path) -> bytes:
    """The same, with a header that does not say so."""
    return flac_of_silence(folder / "bomb.flac", days=30, declared=False).read_bytes()


def slow(_: Path) -> bytes:
    """A WAV of 1 Hz: a megabyte would be six days."""
    return wav_header(rate=1, data_bytes=1_000_000) + bytes(1_000_000)


BAD: dict[str, tuple[str, Make]] = {
    "empty": ("nothing.wav", lambda _: b""),
    "text": ("notes.mp3", lambda _: b"Dear diary, today I did not record anything.\n" * 50),
    "zip": ("speech.wav", zipped),
    "header alone": ("speech.wav", lambda _: b"RIFF\x24\x00\x00\x00WAVE"),
    "noise": ("speech.flac", lambda _: b"fLaC" + bytes(range(256)) * 40),
    "1 Hz": ("slow.wav", slow),
    "30 days": ("bomb.flac", bomb),
    "30 days undeclared": ("bomb.flac", quiet_bomb),
}


@pytest.mark.parametrize("kind", BAD)
def test_a_bad_file_is_refused_with_a_reason(fake: Service, tmp_path: Path, kind: str) -> None:
    """A 4xx or a failed task: a stable code and a sentence, within seconds, and the service is well."""
    name, make = BAD[kind]
    data = make(tmp_path)
    with soon():
        verdict = _verdict(fake, data, name)
    assert verdict["code"]
    assert len(verdict["message"].split()) > 3
    _assert_well(fake)


def test_a_truncated_mp3_gives_what_is_left_of_it(fake: Service, tmp_path: Path) -> None:
    """Half a download is half of the audio, and its length says so."""
    whole = encode(tmp_path / "x.mp3", clip(), codec="libmp3lame").read_bytes()
    with soon():
        task = fake.transcribe(whole[: len(whole) // 2], "x.mp3")
    assert task["duration_seconds"] == pytest.approx(len(clip()) / 16_000 / 2, rel=0.1)


LISTS = {
    "hls": "#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:10,\n{target}\n#EXT-X-ENDLIST\n",
    "hls behind a byte order mark": "\ufeff#EXTM3U\n#EXTINF:10,\n{target}\n#EXT-X-ENDLIST\n",
    "concat": "ffconcat version 1.0\nfile '{target}'\n",
    "dash": '<?xml version="1.0"?><MPD><Period><BaseURL>{target}</BaseURL></Period></MPD>',
    "sdp": "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nu={target}\nm=audio 5004 RTP/AVP 0\n",
    "playlist": "[playlist]\nFile1={target}\n",
    "subtitles in a film": "RIFF\x00\x00\x00\x00AVI LIST#EXTM3U\n#EXTINF:10,\n{target}\n",
}


@pytest.mark.parametrize("extension", ["m3u8", "mp3", "wav"])
@pytest.mark.parametrize("kind", LISTS)
def test_a_file_that_names_others_opens_none_of_them(fake: Service, tmp_path: Path, kind: str, extension: str) -> None:
    """Refused under any extension; the file that it names is not opened, the address not called."""
    canary = write_wav(tmp_path / "canary.wav", clip())
    with opened(canary) as was_opened, called() as (port, was_called):
        for target in (str(canary), canary.as_uri(), f"http://127.0.0.1:{port}/a.ts", f"tcp://127.0.0.1:{port}"):
            with soon():
                assert _verdict(fake, LISTS[kind].format(target=target).encode(), f"list.{extension}")["code"]
        assert not was_opened()
        assert not was_called()
        _assert_the_witnesses_see(canary, port, was_opened, was_called)
    _assert_well(fake)


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service that takes a megabyte at most."""
    with serving(tmp_path_factory.mktemp("small"), engine="fake", max_upload_bytes=1_000_000) as service:
        yield service


def test_too_large_by_its_header_is_refused_before_the_body(small: Service) -> None:
    """413 although not one byte of the body was sent."""
    with _connected(small) as line:
        line.sendall(b"POST /api/v1/tasks HTTP/1.1\r\nHost: x\r\nContent-Length: 5000000\r\n\r\n")
        assert b" 413 " in line.recv(4096)


def test_too_large_without_a_header_is_refused_before_the_end(small: Service) -> None:
    """413 long before 200 MB are sent, and nothing of them is kept."""
    block = b"10000\r\n" + bytes(0x10000) + b"\r\n"
    sent = 0
    with _connected(small) as line:
        line.sendall(b"POST /api/v1/tasks HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
        while sent < 200_000_000 and not select.select([line], [], [], 0)[0]:
            line.sendall(block)
            sent += 0x10000
        assert b" 413 " in line.recv(4096)
    assert sent < 20_000_000  # the limit, and what the system's buffers hold
    _assert_well(small)


@contextlib.contextmanager
def soon() -> Iterator[None]:
    """The block takes seconds, not minutes."""
    start = time.monotonic()
    yield
    assert time.monotonic() - start < SECONDS


def _verdict(service: Service, data: bytes, name: str) -> Json:
    """Code and message of the refusal, whether it came at once or by the task."""
    answer = service.send(data, name)
    if answer.status_code == 202:
        task = service.wait(answer.json()["task_id"])
        assert task["status"] == "failed", task
        assert task["error"], task
        error: Json = task["error"]
        return error
    assert 400 <= answer.status_code < 500, answer.text
    assert answer.headers["content-type"].startswith("application/problem+json")
    return {"code": answer.json()["code"], "message": answer.json()["detail"]}


def _assert_well(service: Service) -> None:
    assert service.http.get("/readyz").status_code == 200
    assert service.transcribe(wav_header(rate=16_000, data_bytes=32_000) + bytes(32_000))["duration_seconds"] == 1.0


def _assert_the_witnesses_see(
    canary: Path, port: int, was_opened: Callable[[], bool], was_called: Callable[[], bool]
) -> None:
    canary.read_bytes()
    assert was_opened()
    socket.create_connection(("127.0.0.1", port)).close()
    assert was_called()


def _connected(service: Service) -> socket.socket:
    url = httpx.URL(str(service.http.base_url))
    return socket.create_connection((url.host, url.port or 80), timeout=20)
