"""Check that a Ray cluster answers at an address, before Ray itself connects.

Ray would try for minutes, and fill stderr meanwhile.
"""

from __future__ import annotations

import os
import socket

from strop.errors import UsageError

AUTO = "auto"
LOCAL = "local"
ANSWER_SECONDS = 5.0
GREETING = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\0\0\0\4\0\0\0\0\0"
"""The start of an HTTP/2 connection, Ray's protocol: the preface, and an empty SETTINGS frame."""
FRAME_HEADER_BYTES = 9
SETTINGS = 4
"""The type of the first frame that an HTTP/2 server sends; the type is byte 3 of a frame."""


def check_answers(address: str) -> None:
    """Raise UsageError if no server answers within ANSWER_SECONDS, or one that is not Ray."""
    if address == AUTO:
        address = os.environ.get("RAY_ADDRESS", AUTO)
        if address == AUTO:
            return  # Ray looks for its own processes here, and fails at once if there are none
    host, _, port = address.rpartition(":")
    if not host or not port.isdecimal() or "/" in address:
        raise UsageError(
            f"--ray {address}: expected HOST:PORT of a cluster, as `ray start` prints it, "
            f"or {AUTO}, or {LOCAL}"
        )
    try:
        _greet(address, host.strip("[]"), int(port))
    except (OSError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or error
        raise UsageError(
            f"--ray {address} does not answer ({reason}); "
            "start the cluster with `ray start --head`, or correct the address"
        ) from None


def _greet(address: str, host: str, port: int) -> None:
    with socket.create_connection((host, port), timeout=ANSWER_SECONDS) as connection:
        if os.environ.get("RAY_USE_TLS", "0") != "0":
            return  # the answer would be encrypted
        connection.settimeout(ANSWER_SECONDS)
        connection.sendall(GREETING)
        answer = connection.recv(FRAME_HEADER_BYTES)
        if len(answer) < 4 or answer[3] != SETTINGS:
            raise UsageError(
                f"--ray {address}: the server there is not Ray; "
                "expected HOST:PORT as `ray start` prints it"
            )
