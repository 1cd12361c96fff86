"""Where decoders come from: a process that has loaded all that one needs, and clones itself for each file.

To start a decoder from nothing takes as long as to decode minutes of audio, most of it the import of PyAV; to clone one
takes a few milliseconds. No file leaves anything behind: the server closes each one unread, and a clone has only one.

A clone is made as a child of whoever started the server, who is told of its end and can wait for it as for any other
child. Where none can be made (on other systems than Linux, or where that is forbidden), the server serves the file
itself, and ends with it. Sources: clone(2), unix(7).

Started by ``core.audio.server`` and by nothing else.
"""

import ctypes
import json
import os
import platform
import signal
import socket
import sys

from core.audio import decode_child, sandbox
from core.audio.wire import NUMBER, READY, REQUEST_BYTES, Request

_CLONE_PARENT = 0x8000
_CLONE = {"x86_64": 56, "aarch64": 220}  # the system call's number


def main() -> None:
    """Serve until nobody is left at the other end of descriptor 0."""
    _leave_signals_to_the_parent()
    sandbox.hide()
    decode_child.warm_up(int(sys.argv[-1]))
    door = socket.socket(fileno=0)
    door.send(READY)
    while (found := _next(door)) is not None:
        request, files = found
        pid = clone()
        if pid:
            door.send(NUMBER.pack(pid if pid > 0 else os.getpid()))
        if pid <= 0:  # this is the clone, or there is none
            door.detach()
            _become_decoder(request, files)
        for file in files:
            os.close(file)


def clone() -> int:
    """As fork(2) returns, but for the child's parent, which is this process's own; -1 where there is no clone.

    The library's fork would do, had it that flag: what it does beside the call is for other threads, of which there are
    none here. Some kernels of sandboxes take the flag and do nothing with it: gVisor's until June 2026.
    """
    number, us = _CLONE.get(platform.machine()), os.getpid()
    if sys.platform != "linux" or number is None:
        return -1
    arguments = (number, _CLONE_PARENT | signal.SIGCHLD, 0, 0, 0, 0)
    pid = int(ctypes.PyDLL(None).syscall(*map(ctypes.c_long, arguments)))
    if pid == 0 and os.getppid() == us:
        os._exit(0)
    return -1 if pid > 0 and _is_ours(pid) else pid


def _is_ours(pid: int) -> bool:
    """A child of this process, instead of its parent's; it has ended then."""
    try:
        os.waitpid(pid, 0)
    except ChildProcessError:
        return False
    return True


def _leave_signals_to_the_parent() -> None:
    """Ctrl-C and the end of a service go to all processes of the worker: it decides when we are done, and kills us."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    signal.signal(signal.SIGXCPU, signal.SIG_DFL)  # ignored, SIGKILL would follow, as if from somebody else


def _next(door: socket.socket) -> tuple[Request, list[int]] | None:
    """What is asked for, and the descriptors for it: the file, and the pipe for the answer."""
    message, files, _, _ = socket.recv_fds(door, REQUEST_BYTES, 2)
    return (Request(**json.loads(message)), files) if len(files) == 2 else None


def _become_decoder(request: Request, files: list[int]) -> None:
    """Never returns. The file takes the place of the socket, so that nothing else stays open."""
    status = 1
    try:
        for place, file in enumerate(files):
            os.dup2(file, place)
            os.close(file)
        decode_child.serve(request)
        status = 0
    finally:
        os._exit(status)
