"""Whether a Ray cluster answers at an address: asked before Ray is, which tries for minutes and fills stderr meanwhile."""

from __future__ import annotations

import os
import socket

from strop.errors import UsageError

AUTO, LOCAL = "auto", "local"
ANSWER_SECONDS = 5.0
GREETING = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\0\0\0\4\0\0\0\0\0"
"""How HTTP/2, which Ray speaks, begins: the preface, and a frame of settings that is empty."""


def check_answers(address: str) -> None:
    """UsageError within ANSWER_SECONDS or so where nobody answers, or somebody who does not speak as Ray does."""
    if address == AUTO:
        address = os.environ.get("RAY_ADDRESS", AUTO)
        if address == AUTO:
            return  # Ray looks for its own processes here, and says at once that there are none
    host, colon, port = address.rpartition(":")
    if not (host and colon and port.isdecimal()) or "/" in address:
        raise UsageError(
            f"--ray {address}: expected HOST:PORT of a cluster, as `ray start` prints it, or {AUTO}, or {LOCAL}"
        )
    try:
        with socket.create_connection(
            (host.strip("[]"), int(port)), timeout=ANSWER_SECONDS
        ) as connection:
            if os.environ.get("RAY_USE_TLS", "0") == "0":
                connection.settimeout(ANSWER_SECONDS)
                connection.sendall(GREETING)
                answer = connection.recv(9)
                if len(answer) < 4 or answer[3] != 4:
                    raise UsageError(
                        f"--ray {address}: what answers there is not Ray; expected HOST:PORT as `ray start` prints it"
                    )
    except (OSError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or error
        raise UsageError(
            f"--ray {address} does not answer ({reason}); start the cluster with `ray start --head`, or mend the address"
        ) from None
