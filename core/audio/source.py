"""The upload as libav reads it. Runs in the decoder's child."""

import errno
import io


class UnreadError(Exception):
    """The storage failed under the file, which says nothing about the file.

    No ``OSError``: PyAV's words for damage are of that family, too.
    """


class Source:
    """The file under a name of our choice: libav looks at it, and the descriptor's number means nothing."""

    def __init__(self, file: io.FileIO, name: str) -> None:
        self._file = file
        self.name = name
        self.tell = file.tell

    def read(self, count: int = -1) -> bytes:
        """As a file does. Raises ``UnreadError``."""
        try:
            return self._file.read(count) or b""
        except OSError as error:
            raise UnreadError(str(error)) from error

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """As a file does. Raises ``UnreadError``; ``OSError`` for an offset that no file has."""
        try:
            return self._file.seek(offset, whence)
        except OSError as error:
            if error.errno in {errno.EINVAL, errno.EOVERFLOW}:
                raise
            raise UnreadError(str(error)) from error

    def size(self) -> int:
        """In bytes. Leaves the file at its beginning."""
        end = self.seek(0, io.SEEK_END)
        self.seek(0)
        return end
