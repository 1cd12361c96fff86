"""A first look at an upload: is it plainly something else than audio or video?

What passes here may still be refused by the decoder; what is refused here was spared a place in the queue.
"""

from core.errors import UnsupportedMediaError

SNIFF_BYTES = 4_096
_SEND = "send an audio or video file, such as WAV, FLAC, MP3, M4A/MP4, Ogg, WebM or Matroska"

_MAGIC: tuple[tuple[bytes, str], ...] = (
    (b"PK\x03\x04", "a ZIP archive or an office document"),
    (b"PK\x05\x06", "a ZIP archive"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"BZh", "a bzip2 archive"),
    (b"\xfd7zXZ\x00", "an xz archive"),
    (b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive"),
    (b"Rar!\x1a\x07", "a RAR archive"),
    (b"\x28\xb5\x2f\xfd", "a Zstandard archive"),
    (b"\x04\x22\x4d\x18", "an LZ4 archive"),
    (b"%PDF-", "a PDF document"),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an office document"),
    (b"{\\rtf", "a text document"),
    (b"\x89PNG\r\n\x1a\n", "a PNG picture"),
    (b"\xff\xd8\xff", "a JPEG picture"),
    (b"GIF87a", "a GIF picture"),
    (b"GIF89a", "a GIF picture"),
    (b"II*\x00", "a TIFF picture"),
    (b"MM\x00*", "a TIFF picture"),
    (b"\x7fELF", "a program"),
    (b"MZ", "a program"),
    (b"\xcf\xfa\xed\xfe", "a program"),
    (b"\xca\xfe\xba\xbe", "a program"),
    (b"SQLite format 3\x00", "a database"),
)
_MAGIC_AT: tuple[tuple[int, bytes, str], ...] = (
    (257, b"ustar", "a tar archive"),
    (8, b"WEBP", "a WebP picture"),
    (4, b"ftypavif", "an AVIF picture"),
    (4, b"ftypheic", "a HEIC picture"),
    (4, b"ftypmif1", "a HEIF picture"),
)
_MARKUP: tuple[tuple[bytes, str], ...] = (
    (b"#extm3u", "a playlist"),
    (b"ffconcat", "a playlist"),
    (b"[playlist]", "a playlist"),
    (b"[reference]", "a playlist"),
    (b"v=0\r\no=", "a streaming session description"),
    (b"v=0\no=", "a streaming session description"),
    (b"<smil", "a playlist"),
    (b"<asx", "a playlist"),
    (b"<mpd", "a streaming manifest"),
    (b"<!doctype html", "a web page"),
    (b"<html", "a web page"),
    (b"<?xml", "an XML document"),
    (b"<svg", "an SVG picture"),
)
_TEXT_MEDIA = (b"#!AMR", b"#!SILK", b"RIFF", b"RF64", b"FORM", b".snd", b"OggS", b"fLaC", b"ID3", b"wvpk", b"caff")


def sniff(head: bytes) -> None:
    """Look at the first bytes of a file (up to ``SNIFF_BYTES`` are used). Returns None where it may be media.

    Raises ``UnsupportedMediaError`` with code ``empty_file`` or ``unsupported_media``.
    """
    head = head[:SNIFF_BYTES]
    if not head:
        raise UnsupportedMediaError(f"The file is empty; {_SEND}.", code="empty_file")
    kind = _kind(head)
    if kind is not None:
        raise UnsupportedMediaError(f"The file looks like {kind}; {_SEND}.")


def _kind(head: bytes) -> str | None:
    for magic, kind in _MAGIC:
        if head.startswith(magic):
            return kind
    for offset, magic, kind in _MAGIC_AT:
        if head.startswith(magic, offset):
            return kind
    return None if head.startswith(_TEXT_MEDIA) else _text_kind(head)


def _text_kind(head: bytes) -> str | None:
    start = head.removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    for magic, kind in _MARKUP:
        if start.startswith(magic):
            return kind
    return "text" if _is_text(head) else None


def _is_text(head: bytes) -> bool:
    """True for UTF-8, or UTF-16 with a mark, without control characters."""
    encoding = "utf-16" if head.startswith((b"\xff\xfe", b"\xfe\xff")) else "utf-8-sig"
    try:
        text = head.decode(encoding)
    except UnicodeDecodeError as error:
        if len(head) < SNIFF_BYTES or error.start < len(head) - 4:
            return False
        text = head[: error.start].decode(encoding)  # the 4 KiB ended within a character
    return all(character.isprintable() or character in "\t\n\r\f\x1b" for character in text)
