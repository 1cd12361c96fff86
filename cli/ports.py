"""Finding a port to listen on, and saying clearly where one is taken."""

import errno
import random
import socket

# Below the range that Linux (32768…) and macOS (49152…) give to outgoing connections: a server that is started again
# minutes later must find its port free, and a client that knocks meanwhile must not be connected to itself.
_QUIET = range(20_000, 32_000)


def free_port(host: str = "127.0.0.1") -> int:
    """A TCP port on which nobody listens, that outgoing connections will not take either."""
    for port in random.sample(_QUIET, 100):
        if is_free(host, port):
            return port
    with socket.socket() as listener:
        listener.bind((host, 0))
        return int(listener.getsockname()[1])


def is_free(host: str, port: int) -> bool:
    """Whether a server could listen there. Raises ``OSError`` where the address itself is wrong."""
    family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    with socket.socket(family, kind, protocol) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as servers do; else a closed one looks taken
        try:
            listener.bind(address)
            listener.listen(1)
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                return False
            raise
    return True
