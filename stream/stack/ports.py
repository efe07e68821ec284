"""Choose ports on the loopback address that nobody listens on.

They lie below the range from which the kernel takes ports for outgoing connections:
otherwise a client's socket could sit on a service's port while that service restarts.
"""

import random
import socket
from collections.abc import Iterable

from stream.errors import StackError

LOOPBACK = "127.0.0.1"
FIRST_PORT = 20_000
LAST_PORT = 31_999  # Linux hands out 32768 and above by default
TRIES = 1_000


def free_ports(count: int, taken: Iterable[int] = ()) -> list[int]:
    """Return `count` different free ports, none of them in `taken`.

    Raises `StackError` if no free port is found.
    """
    draw = random.SystemRandom()
    chosen: list[int] = []
    refused = set(taken)
    for _ in range(TRIES):
        if len(chosen) == count:
            return chosen
        port = draw.randint(FIRST_PORT, LAST_PORT)
        if port not in refused and _is_free(port):
            chosen.append(port)
            refused.add(port)
    raise StackError(
        f"no free port found between {FIRST_PORT} and {LAST_PORT} on {LOOPBACK}: stop some of what listens there"
    )


def _is_free(port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        # As the services do: without it a connection in TIME_WAIT would make the port look taken.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
    return True
