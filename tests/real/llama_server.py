"""Serve a GGUF file with llama.cpp on loopback: ``python llama_server.py FILE PORT``."""

from __future__ import annotations

import sys
import time

import xllamacpp

SLOTS = 4
CONTEXT = 2048
"""Tokens of each slot."""


def serve(path: str, port: int) -> None:
    parameters = xllamacpp.CommonParams()
    parameters.model.path = path
    parameters.hostnames = ["127.0.0.1"]
    parameters.port = port
    parameters.n_parallel = SLOTS
    parameters.n_ctx = SLOTS * CONTEXT
    # Several threads wait for each other by spinning: beside other work they crawl.
    parameters.cpuparams.n_threads = 1
    parameters.cpuparams_batch.n_threads = 1
    server = xllamacpp.Server(parameters)
    print(server.listening_address, flush=True)
    while True:
        time.sleep(3600)


if __name__ == "__main__":
    serve(sys.argv[1], int(sys.argv[2]))
