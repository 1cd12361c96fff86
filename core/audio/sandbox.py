"""Takes from this process what decoding does not need, so that a hostile file gains nothing by a bug in libav.

Layers, each useful without the others: resource limits (any Unix; among them: no descriptor can be opened), process
flags and a seccomp filter (Linux on x86-64 and arm64). The filter lists what is allowed, about 30 system calls, and
answers EPERM to the rest: no file, socket, process, signal or mount can be reached, nor what a later kernel adds.
Sources: prctl(2), seccomp(2), setrlimit(2), the kernel's ``include/uapi/linux/{audit,filter,seccomp}.h``.

Imported by the decoder's child, so nothing heavy may be imported from here.
"""

import ctypes
import os
import platform
import resource
import signal
import struct
import sys
from collections.abc import Mapping

_PR_SET_PDEATHSIG, _PR_SET_DUMPABLE, _PR_SET_SECCOMP, _PR_SET_NO_NEW_PRIVS = 1, 4, 22, 38
_SECCOMP_MODE_FILTER = 2
_RET_KILL_PROCESS, _RET_ERRNO_EPERM, _RET_ALLOW = 0x8000_0000, 0x0005_0001, 0x7FFF_0000
_BPF_LOAD_WORD, _BPF_JUMP_IF_EQUAL, _BPF_JUMP_IF_AT_LEAST, _BPF_RETURN = 0x20, 0x15, 0x35, 0x06
_X32_BIT = 0x4000_0000  # x86-64 has a second set of system call numbers, which a filter by number would miss

# name: (x86-64, arm64). From the kernel's tables; Python's allocator, libav and a clean exit use no others.
_ALLOWED = {
    "read": (0, 63), "write": (1, 64), "writev": (20, 66), "close": (3, 57), "lseek": (8, 62),
    "mmap": (9, 222), "mprotect": (10, 226), "munmap": (11, 215), "brk": (12, 214), "mremap": (25, 216),
    "madvise": (28, 233), "futex": (202, 98), "sched_yield": (24, 124), "sched_getaffinity": (204, 123),
    "rt_sigaction": (13, 134), "rt_sigprocmask": (14, 135), "rt_sigreturn": (15, 139), "sigaltstack": (131, 132),
    "getpid": (39, 172), "gettid": (186, 178), "getrandom": (318, 278), "rseq": (334, 293), "membarrier": (324, 283),
    "clock_gettime": (228, 113), "clock_getres": (229, 114), "gettimeofday": (96, 169),
    "nanosleep": (35, 101), "clock_nanosleep": (230, 115), "exit": (60, 93), "exit_group": (231, 94),
}  # fmt: skip
_ARCHITECTURES = {"x86_64": (0xC000_003E, 0), "aarch64": (0xC000_00B7, 1)}  # audit number, column of the table


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_void_p))


def apply(*, cpu_seconds: int, memory_bytes: int, parent_pid: int) -> list[str]:
    """Shut this process in; irreversible. Returns the layers that hold. Dies at once if the parent is gone already."""
    layers = ["rlimits"]
    if sys.platform == "linux":
        _die_with_parent(parent_pid)
        layers += ["process-flags"]
    _limit_resources(cpu_seconds, memory_bytes)
    return layers + (["seccomp"] if _filter_system_calls() else [])


def hide() -> None:
    """No other process of the same user may look into this one, or change it (Linux)."""
    if sys.platform == "linux":
        _prctl(_PR_SET_DUMPABLE, 0)


def _limit_resources(cpu_seconds: int, memory_bytes: int) -> None:
    limits: Mapping[int, tuple[int, int]] = {
        resource.RLIMIT_CPU: (cpu_seconds, cpu_seconds + 5),  # SIGXCPU, and SIGKILL should that not end it
        resource.RLIMIT_FSIZE: (0, 0),
        resource.RLIMIT_CORE: (0, 0),
        resource.RLIMIT_NOFILE: (0, 0),  # what is open stays so; with room for three, closing one would make room
        resource.RLIMIT_NPROC: (0, 0),
    }
    for kind, pair in limits.items():
        resource.setrlimit(kind, pair)
    if sys.platform == "linux":  # macOS refuses to lower it
        resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))


def _die_with_parent(parent_pid: int) -> None:
    _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent_pid:  # it died before the line above could take effect
        os._exit(1)
    hide()
    _prctl(_PR_SET_NO_NEW_PRIVS, 1)


def _filter_system_calls() -> bool:
    architecture = _ARCHITECTURES.get(platform.machine())
    if sys.platform != "linux" or architecture is None:
        return False
    code = _program(*architecture)
    buffer = ctypes.create_string_buffer(code, len(code))
    program = _Program(length=len(code) // 8, filter=ctypes.addressof(buffer))
    return _prctl(_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, ctypes.addressof(program))


def _program(audit_number: int, column: int) -> bytes:
    """The filter in classic BPF over ``struct seccomp_data``: the number at offset 0, the architecture at 4."""
    lines = [
        _line(_BPF_LOAD_WORD, 4),
        _line(_BPF_JUMP_IF_EQUAL, audit_number, 1, 0),
        _line(_BPF_RETURN, _RET_KILL_PROCESS),
        _line(_BPF_LOAD_WORD, 0),
        _line(_BPF_JUMP_IF_AT_LEAST, _X32_BIT, 0, 1),
        _line(_BPF_RETURN, _RET_KILL_PROCESS),
    ]
    for numbers in _ALLOWED.values():
        lines += [_line(_BPF_JUMP_IF_EQUAL, numbers[column], 0, 1), _line(_BPF_RETURN, _RET_ALLOW)]
    return b"".join([*lines, _line(_BPF_RETURN, _RET_ERRNO_EPERM)])


def _line(code: int, value: int, if_true: int = 0, if_false: int = 0) -> bytes:
    return struct.pack("=HBBI", code, if_true, if_false, value)


def _prctl(option: int, *values: int) -> bool:
    arguments = [ctypes.c_ulong(value) for value in (*values, 0, 0, 0, 0)[:4]]
    return bool(ctypes.CDLL(None).prctl(option, *arguments) == 0)
