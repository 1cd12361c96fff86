"""Text that has to wait for its place in the output, compressed meanwhile."""

import zlib
from codecs import getincrementaldecoder
from collections.abc import Iterator

_PIECE_BYTES = 65_536  # a repetitive text unpacks to a thousand times its size, so it is unpacked in pieces


class Spool:
    """Append text, then read it back once in pieces. 24 hours of words take about 3 MB."""

    def __init__(self) -> None:
        self._packer = zlib.compressobj(level=3)
        self._blocks: list[bytes] = []

    def write(self, text: str) -> None:
        """Append."""
        block = self._packer.compress(text.encode("utf-8", "replace"))
        if block:
            self._blocks.append(block)

    def read(self) -> Iterator[str]:
        """All that was written, in order. Nothing can be written after it."""
        self._blocks.append(self._packer.flush())
        unpacker, decoder = zlib.decompressobj(), getincrementaldecoder("utf-8")()
        for block in self._blocks:
            rest = block
            while rest:
                yield decoder.decode(unpacker.decompress(rest, _PIECE_BYTES))
                rest = unpacker.unconsumed_tail
        yield decoder.decode(unpacker.flush())
