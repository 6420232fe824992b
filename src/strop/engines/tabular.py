"""The exact engine: a table says with which probability each text answers each prompt.

Everything that other engines approximate is known here, so every estimator can be held against the truth. Each text is one token.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from hashlib import blake2b
from pathlib import Path

import numpy as np

from strop.engines.base import Engine, Generation, Request, Scored, plain_text
from strop.engines.nucleus import draw_tokens
from strop.errors import ModelError
from strop.records import Prompt, Sample, Sampling, Usage


class TabularEngine(Engine):
    """``table[prompt][text]`` is the probability of answering the rendered prompt with the text."""

    def __init__(self, table: Mapping[str, Mapping[str, float]], name: str = "tabular") -> None:
        self._name = name
        self.table = {prompt: dict(row) for prompt, row in table.items()}
        for prompt, row in self.table.items():
            if (
                not row
                or not all(q > 0 for q in row.values())
                or not abs(sum(row.values()) - 1) <= 1e-9
            ):
                raise ModelError(
                    f"{name}: the probabilities of prompt {prompt[:60]!r} are not positive numbers that sum to 1"
                )

    @classmethod
    def from_file(cls, path: Path, name: str) -> TabularEngine:
        """A table from JSON: {prompt: {text: probability}}."""
        try:
            table = json.loads(path.read_text())
            return cls(
                {str(p): {str(t): float(q) for t, q in row.items()} for p, row in table.items()},
                name,
            )
        except OSError as error:
            reason = (
                "there is no file" if isinstance(error, FileNotFoundError) else f"{error.strerror}:"
            )
            raise ModelError(
                f"{name}: {reason} {path}; expected JSON of the form {{prompt: {{text: probability}}}}"
            ) from None
        except (ValueError, TypeError, AttributeError) as error:
            raise ModelError(
                f"{name}: {path} is not JSON of the form {{prompt: {{text: probability}}}} ({error})"
            ) from None

    @property
    def name(self) -> str:
        return self._name

    @property
    def parameters(self) -> int:
        return 0

    @property
    def fingerprint(self) -> str:
        return blake2b(json.dumps(self.table, sort_keys=True).encode(), digest_size=8).hexdigest()

    def render(self, prompt: Prompt) -> str:
        return plain_text(prompt)

    def count_tokens(self, prompt: Prompt) -> int:
        return 1

    def _row(self, prompt: Prompt) -> dict[str, float]:
        text = plain_text(prompt)
        if text not in self.table:
            raise ModelError(
                f"{self.name} has no row for the prompt {text[:120]!r}; add it to the table"
            )
        return self.table[text]

    def sample(self, requests: Sequence[Request], sampling: Sampling) -> Generation:
        samples = []
        for request in requests:
            row = self._row(request.prompt)
            texts, logprobs = list(row), np.log(list(row.values()))
            logits = np.repeat(logprobs.astype(np.float32)[None], len(request.seeds), axis=0)
            tokens = draw_tokens(
                logits, sampling.temperature, sampling.top_p, np.array(request.seeds, np.uint64), 0
            )
            samples.append(
                [
                    Sample(texts[token], (int(token),), float(logprobs[token]), "end")
                    for token in tokens
                ]
            )
        drawn = sum(len(request.seeds) for request in requests)
        return Generation(samples, Usage(prompt_tokens=len(requests), generated_tokens=drawn))

    def score(self, prompts: Sequence[Prompt], continuations: Sequence[str]) -> Scored:
        rows = [self._row(prompt) for prompt in prompts]
        with np.errstate(divide="ignore"):
            logprobs_PC = np.log([[row.get(text, 0.0) for text in continuations] for row in rows])
        return Scored(logprobs_PC, Usage(prompt_tokens=len(prompts)))
