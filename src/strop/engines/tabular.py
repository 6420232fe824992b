"""The exact engine: a table gives the probability of each text as the answer to each prompt.

Everything that other engines approximate is known here, so every estimator can be compared with the
truth. Each text is one token.
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

FORM = "JSON of the form {prompt: {text: probability}}"


class TabularEngine(Engine):
    """``table[prompt][text]`` is the probability of answering the rendered prompt with the text."""

    def __init__(self, table: Mapping[str, Mapping[str, float]], label: str = "tabular") -> None:
        self._name = label
        self.table = {prompt: dict(row) for prompt, row in table.items()}
        for prompt, row in self.table.items():
            is_positive = all(q > 0 for q in row.values())
            # "not <=" and not ">": a sum that is NaN must be refused too.
            if not row or not is_positive or not abs(sum(row.values()) - 1) <= 1e-9:
                raise ModelError(
                    f"{label}: the probabilities of prompt {prompt[:60]!r} "
                    "are not positive numbers that sum to 1"
                )

    @classmethod
    def from_file(cls, path: str | Path, label: str) -> TabularEngine:
        """Read a table from a JSON file: {prompt: {text: probability}}."""
        try:
            table = json.loads(Path(path).read_text())
            rows = {}
            for prompt, row in table.items():
                rows[str(prompt)] = {str(text): float(q) for text, q in row.items()}
        except FileNotFoundError:
            raise ModelError(f"{label}: there is no file {path}; expected {FORM}") from None
        except OSError as error:
            raise ModelError(f"{label}: {error.strerror}: {path}; expected {FORM}") from None
        except (ValueError, TypeError, AttributeError) as error:
            raise ModelError(f"{label}: {path} is not {FORM} ({error})") from None
        return cls(rows, label)

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
            texts = list(row)
            logprobs = np.log(list(row.values()))
            logits_RV = np.repeat(logprobs.astype(np.float32)[None], len(request.seeds), axis=0)
            seeds = np.array(request.seeds, np.uint64)
            tokens = draw_tokens(logits_RV, sampling.temperature, sampling.top_p, seeds, 0)
            drawn = []
            for token in tokens:
                logprob = float(logprobs[token])  # at temperature 1, before top-p
                drawn.append(Sample(texts[token], (int(token),), logprob, "end"))
            samples.append(drawn)
        count = sum(len(request.seeds) for request in requests)
        return Generation(samples, Usage(prompt_tokens=len(requests), generated_tokens=count))

    def score(self, prompts: Sequence[Prompt], continuations: Sequence[str]) -> Scored:
        p_PC = []
        for prompt in prompts:
            row = self._row(prompt)
            p_PC.append([row.get(text, 0.0) for text in continuations])
        with np.errstate(divide="ignore"):  # a text that is not in the table: minus infinity
            logprobs_PC = np.log(p_PC)
        return Scored(logprobs_PC, Usage(prompt_tokens=len(prompts)))
