"""What the decoder's parent and child say to each other. Imported by both, so nothing heavy may be imported from here.

The server of :mod:`core.audio.fork_server` starts with the rate of its output as argument and a socket as descriptor
0. There it says ``READY``, and then gets a message for each file: a :class:`Request` as JSON and, as open descriptors,
the file and a pipe. It answers with the number of its clone (``NUMBER``), which speaks on that pipe in frames: a kind
(one byte), a length (uint32, little endian) and a body. First ``T`` (it is shut in, and has read nothing of the file
yet; empty) and ``I`` (the file's description, JSON), then any number of ``P`` (native-endian int16 samples, at most
``PCM_BYTES``), then ``E`` (the report, JSON); or after ``T`` at any point ``X`` (what is wrong with the file: code and
message, JSON) or ``S`` (the storage failed while it was read: message, JSON).
"""

import struct
from dataclasses import dataclass

READY = b"R"
NUMBER = struct.Struct("<I")
REQUEST_BYTES = 4_096  # the most that a request takes
FRAME_HEADER = struct.Struct("<cI")
PCM_BYTES = 240_000  # the most that one P frame holds: 7.5 s, so that four fill a block of half a minute exactly
PIPE_BYTES = 1 << 18  # for a whole frame: else both sides wake up for each part of one
MAX_FRAME_BYTES = 1 << 20
LISTS = ("formats", "codecs", "protocols", "nested")  # what holds libav back, apart from the sandbox


@dataclass(frozen=True, kw_only=True, slots=True)
class Request:
    """What the parent asks for. The last three are for tests that take one layer away to prove the other."""

    rate: int
    max_seconds: float
    max_amplification: float
    cpu_seconds: int
    memory_bytes: int
    parent_pid: int
    use_sandbox: bool = True
    lists: tuple[str, ...] = LISTS
    name: str = ""
