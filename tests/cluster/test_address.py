"""Addresses at which no Ray cluster answers are refused within seconds."""

from __future__ import annotations

import socket
import threading
import time

import pytest

from strop.cluster import address as address_module
from strop.errors import UsageError


@pytest.mark.parametrize("answer", [b"", b"HTTP/1.1 400 Bad Request\r\n"])
def test_another_server_at_the_address(answer: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """One server is silent, and one answers by another protocol."""
    monkeypatch.setattr(address_module, "ANSWER_SECONDS", 0.5)
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(100)
                connection.sendall(answer) if answer else time.sleep(1)

        serving = threading.Thread(target=serve)
        serving.start()
        with pytest.raises(UsageError, match="is not Ray" if answer else "does not answer"):
            address_module.check_answers(f"127.0.0.1:{server.getsockname()[1]}")
        serving.join()


@pytest.mark.parametrize(
    "address", ["nowhere", "ray://head:10001", ":6379", "head:", "head:port", "127.0.0.1:99999"]
)
def test_addresses_that_cannot_be_used(address: str) -> None:
    with pytest.raises(UsageError, match=f"--ray {address}"):
        address_module.check_answers(address)
