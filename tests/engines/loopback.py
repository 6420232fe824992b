"""A local server of the OpenAI protocol with an embedded model, and a proxy that adds faults."""

from __future__ import annotations

import contextlib
import json
import socket
import struct
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np

from strop.engines.base import Request
from strop.engines.llama import LlamaEngine
from strop.records import Message, Prompt, Sampling
from strop.seeds import fraction

STANDARD = {
    "model",
    "temperature",
    "top_p",
    "presence_penalty",
    "frequency_penalty",
    "max_tokens",
    "seed",
    "n",
    "stop",
    "logprobs",
}
FAULTS = ("429", "500", "time-out", "reset", "truncated", "empty", "wrong n")


@dataclass(frozen=True)
class Talent:
    """The abilities of the server, and the key that it demands."""

    chat: bool = False
    completions: bool = True
    logprobs: bool = True
    at_temperature_1: bool = True
    most_top: int = 128
    several: bool = True
    echo: bool = True
    token_ids: bool = True
    extras: bool = True
    ends: bool = True
    limit: str = "max_tokens"
    key: str = ""


class Quiet(ThreadingHTTPServer):
    """Serves many clients at once, and prints nothing about clients that have gone."""

    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Ignore broken connections: these tests cause them."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/v1"


class Handler(BaseHTTPRequestHandler):
    """Keeps connections open.

    An answer is written in one piece: the second of two would wait for an acknowledgement.
    """

    protocol_version = "HTTP/1.1"
    wbufsize = -1
    server: Any

    def log_message(self, *_: Any) -> None:
        """Print nothing."""

    def body(self) -> bytes:
        return self.rfile.read(int(self.headers.get("Content-Length", 0)))

    def reply(self, status: int, document: Any, **headers: str) -> None:
        content = document if isinstance(document, bytes) else json.dumps(document).encode()
        self.send_response(status)
        for name, value in (
            {"Content-Type": "application/json", "Content-Length": str(len(content))} | headers
        ).items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(content)
        self.wfile.flush()

    def refuse(self, status: int, message: str) -> None:
        self.reply(status, {"error": {"message": message, "code": status}})


class Model(Handler):
    """/models, /completions and /chat/completions."""

    def do_GET(self) -> None:
        self.reply(200, {"data": [{"id": "tiny", "max_model_len": self.server.engine.context}]})

    def do_POST(self) -> None:
        body, talent = json.loads(self.body()), self.server.talent
        with self.server.lock:
            self.server.asked.append(body)
            self.server.lives -= 1
            if self.server.lives == 0:
                self.server.die()
            if self.server.is_dead:
                raise ConnectionAbortedError
        time.sleep(self.server.seconds)
        if talent.key and self.headers.get("Authorization") != f"Bearer {talent.key}":
            return self.refuse(
                401, f"Incorrect API key provided: {self.headers.get('Authorization')}"
            )
        chat = self.path.endswith("/chat/completions")
        known = (
            STANDARD
            | ({"messages", "top_logprobs"} if chat else {"prompt", "echo"})
            | {talent.limit}
        )
        known |= (
            {"top_k", "min_p", "repetition_penalty", "return_token_ids"} if talent.extras else set()
        )
        known -= {"max_tokens"} - {talent.limit}
        if strange := sorted(set(body) - known):
            return self.refuse(400, f"Unrecognized request argument supplied: {strange[0]}")
        if not (talent.chat if chat else talent.completions):
            return self.refuse(404, "no such interface")
        if body["model"] != "tiny":
            return self.refuse(404, f"The model {body['model']} does not exist")
        if body.get("echo") and not talent.echo:
            return self.refuse(400, "echo is not supported")
        if body.get("n", 1) > 1 and body["temperature"] == 0:
            return self.refuse(400, "n must be 1 when using greedy sampling")
        return self.reply(200, self.server.answer(body, chat))


class Loopback(Quiet):
    """One embedded model with the abilities of a ``Talent``.

    ``asked``: every request so far; ``lives``: requests until the server dies; ``seconds``: the
    shortest time of an answer.
    """

    def __init__(self, folder: Path, talent: Talent | None = None, port: int = 0) -> None:
        super().__init__(("127.0.0.1", port), Model)
        self.engine, self.talent, self.lock = (
            LlamaEngine(folder),
            talent or Talent(),
            threading.Lock(),
        )
        self.asked: list[dict[str, Any]] = []
        self.lives, self.is_dead, self.seconds = -1, False, 0.0

    def die(self) -> None:
        """Stop like a killed process: no request gets an answer, and the port is closed."""
        self.is_dead = True
        threading.Thread(target=lambda: (self.shutdown(), self.server_close()), daemon=True).start()

    def answer(self, body: dict[str, Any], chat: bool) -> dict[str, Any]:
        texts = (
            ["\n".join(turn["content"] for turn in body["messages"])] if chat else body["prompt"]
        )
        texts = texts if isinstance(texts, list) else [texts]
        choices, generated = [], 0
        for text in texts:
            drawn = [] if body.get("echo") else self._draw(text, body)
            for ids, finish, reason in drawn:
                choices.append(self._choice(text, ids, finish, reason, body, chat))
                generated += len(ids)
            if body.get("echo"):
                choices.append(
                    {
                        "text": text,
                        "finish_reason": "length",
                        "logprobs": self._logprobs([], self._ids(text), body, False),
                    }
                )
        read = sum(len(self._ids(text)) for text in texts)
        usage = {
            "prompt_tokens": read,
            "completion_tokens": generated,
            "total_tokens": read + generated,
        }
        return {
            "choices": [choice | {"index": i} for i, choice in enumerate(choices)],
            "usage": usage,
            "system_fingerprint": "loopback",
        }

    def _ids(self, text: str) -> list[int]:
        return list(self.engine.tokenizer.encode(text).ids)

    def _draw(self, text: str, body: dict[str, Any]) -> list[tuple[list[int], str, str | None]]:
        count = body.get("n", 1) if self.talent.several else 1
        seeds = tuple(body.get("seed", 0) + number for number in range(count))
        sampling = Sampling(
            body["temperature"],
            body["top_p"],
            body[self.talent.limit],
            tuple(body.get("stop") or ()),
        )
        prompt: Prompt = (Message("user", text),)
        [samples] = self.engine.sample([Request(prompt, seeds)], sampling).samples
        return [
            (
                list(s.token_ids or ()),
                "length" if s.finish == "length" else "stop",
                sampling.stop[0] if s.finish == "stop" else None,
            )
            for s in samples
        ]

    def _choice(
        self,
        text: str,
        ids: list[int],
        finish: str,
        reason: str | None,
        body: dict[str, Any],
        chat: bool,
    ) -> dict[str, Any]:
        engine = self.engine
        written = engine.tokenizer.decode(ids, skip_special_tokens=True)
        for stop in body.get("stop") or ():
            written = written.split(stop)[0]
        said = {"message": {"role": "assistant", "content": written}} if chat else {"text": written}
        told = ids if self.talent.ends or finish == "length" else ids[:-1]
        logprobs = (
            self._logprobs(self._ids(text), told, body, chat)
            if self.talent.logprobs and body.get("logprobs")
            else None
        )
        ids_told = (
            {"token_ids": ids} if body.get("return_token_ids") and self.talent.token_ids else {}
        )
        return (
            said | {"finish_reason": finish, "stop_reason": reason, "logprobs": logprobs} | ids_told
        )

    def _logprobs(
        self, before: list[int], ids: list[int], body: dict[str, Any], chat: bool
    ) -> dict[str, Any]:
        """Return the log-probabilities of ``ids`` after ``before``, with the likeliest tokens."""
        model, whole = self.engine.model, before + ids
        hidden, _ = model.prefill(np.array([whole]), np.array([len(whole)]))
        logits_TV = model.logits(hidden[0]).astype(np.float64)
        logits_TV /= 1 if self.talent.at_temperature_1 else body["temperature"]
        logprobs_TV = logits_TV - np.log(np.exp(logits_TV).sum(axis=1, keepdims=True))
        most = min(self.talent.most_top, body.get("top_logprobs", 0) if chat else body["logprobs"])
        entries: list[dict[str, Any]] = []
        for place, token in enumerate(ids, start=len(before)):
            row = logprobs_TV[place - 1] if place else None
            likeliest = np.argsort(-row)[:most] if row is not None else []
            top = (
                {self._spell(int(i)): float(row[i]) for i in likeliest} if row is not None else None
            )
            entries.append(
                {
                    "token": self._spell(token),
                    "logprob": None if row is None else float(row[token]),
                    "top": top,
                }
            )
        if chat:
            return {"content": [_as_chat(entry) for entry in entries]}
        lists = (("tokens", "token"), ("token_logprobs", "logprob"), ("top_logprobs", "top"))
        return {name: [entry[key] for entry in entries] for name, key in lists}

    def _spell(self, token: int) -> str:
        return str(self.engine.tokenizer.decode([token], skip_special_tokens=False))


def _as_chat(entry: dict[str, Any]) -> dict[str, Any]:
    top = [
        {"token": text, "logprob": value, "bytes": list(text.encode())}
        for text, value in entry["top"].items()
    ]
    return {
        "token": entry["token"],
        "logprob": entry["logprob"],
        "bytes": list(entry["token"].encode()),
        "top_logprobs": top,
    }


class Spoiler(Handler):
    """Passes requests on, and spoils a share of them, with each fault in turn."""

    def do_GET(self) -> None:
        self.reply(*self._hand_on("GET", b""))

    def do_POST(self) -> None:
        fault, asked = (
            self.server.next_fault(),
            self.body(),
        )  # read also where it is of no use: the next request follows it
        if fault == "429":
            return self.reply(429, {"error": {"message": "slow down"}}, Retry_After="0.02")
        if fault == "500":
            return self.refuse(500, "something broke")
        if fault == "time-out":
            time.sleep(self.server.patience)
            raise ConnectionAbortedError
        if fault == "reset":
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.connection.close()
            raise ConnectionAbortedError
        status, content = self._hand_on("POST", asked)
        if fault == "truncated":
            return self.reply(status, content[: len(content) // 2])
        if fault:
            document = json.loads(content)
            listed = document["choices"]
            changed = [] if fault == "empty" else listed[:-1] if len(listed) > 1 else listed * 2
            return self.reply(status, document | {"choices": changed})
        return self.reply(status, content)

    def _hand_on(self, method: str, asked: bytes) -> tuple[int, bytes]:
        connection = HTTPConnection("127.0.0.1", self.server.behind.server_address[1])
        with contextlib.closing(connection):
            connection.request(method, self.path, asked, {"Content-Type": "application/json"})
            answer = connection.getresponse()
            return answer.status, answer.read()


class FaultyProxy(Quiet):
    """A proxy that spoils a share ``rate`` of all requests.

    ``patience``: seconds until a connection that gets no answer is closed.
    """

    def __init__(self, behind: Loopback, rate: float, patience: float) -> None:
        super().__init__(("127.0.0.1", 0), Spoiler)
        self.behind, self.rate, self.patience = behind, rate, patience
        self.spoilt: Counter[str] = Counter()
        self.requests = 0
        self.lock = threading.Lock()

    def next_fault(self) -> str | None:
        with self.lock:
            self.requests += 1
            if fraction("fault", self.requests) >= self.rate:
                return None
            fault = FAULTS[sum(self.spoilt.values()) % len(FAULTS)]
            self.spoilt[fault] += 1
            return fault


@contextlib.contextmanager
def serving(server: Quiet) -> Iterator[None]:
    """Let the server answer while the block runs."""
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
