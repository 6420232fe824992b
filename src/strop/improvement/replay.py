"""What is mixed into a round's training rows, so that a model does not forget: earlier samples, or documents.

    earlier        the rows of all rounds before
    base           responses of the base model to the training problems, unfiltered
    verification   judged candidates of the embedded models' corpus, in the frames of the prompted verifiers (embedded models only)
    corpus         its documents with a prompt: solutions and judged candidates (embedded models only)
    FILE.jsonl     rows {"prompt": ..., "response": ...} of your own, as the model is to read and write them

Pre-training documents know what is right: a gain that comes with their replay is not the model's own doing alone.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

from tokenizers import Tokenizer

from strop.distill import Weighted
from strop.errors import UsageError
from strop.ladder.corpus import DOCUMENT_WEIGHTS, KINDS, document
from strop.seeds import derive

ROWS = ("earlier", "base")
DOCUMENTS = ("verification", "corpus")
JUDGED = KINDS[1:]


Encode = Callable[[Sequence[str]], tuple[int, ...]]
"""Pieces of a text, each encoded alone, as tokens."""


@dataclass(frozen=True)
class Replay:
    """``share`` of the weight of all that is trained on comes from ``source``."""

    source: str
    share: float

    def __post_init__(self) -> None:
        if not 0 < self.share < 1:
            raise UsageError(
                f"--replay {self.source}:{self.share:g}: expected a share between 0 and 1"
            )
        if self.source not in (*ROWS, *DOCUMENTS) and not Path(self.source).is_file():
            raise UsageError(
                f"--replay {self.source}: there is no such file; expected {', '.join((*ROWS, *DOCUMENTS))}, or a .jsonl file"
            )

    @classmethod
    def parse(cls, text: str) -> Replay:
        """SOURCE:SHARE, as in base:0.25."""
        source, _, share = text.rpartition(":")
        try:
            number = float(share)
        except ValueError:
            number = 0.0
        if not source or not number:
            raise UsageError(f"--replay {text}: expected SOURCE:SHARE, as in base:0.25")
        return cls(source, number)


def mixed(
    own: Sequence[Weighted], replays: Sequence[tuple[Replay, Sequence[Weighted]]], seed: int
) -> list[Weighted]:
    """``own`` rows and as many of each replay's as its share asks for, drawn at random; its rows share its part of the weight."""
    rest = 1 - sum(replay.share for replay, _ in replays)
    total, rows = sum(row.weight for row in own), list(own)
    for replay, pool in replays:
        if not pool:
            continue
        wanted = min(len(pool), round(len(own) * replay.share / rest))
        drawn = random.Random(derive(seed, "replay", replay.source)).sample(
            list(pool), max(1, wanted)
        )
        scale = total * replay.share / rest / sum(row.weight for row in drawn)
        rows += [replace(row, weight=row.weight * scale) for row in drawn]
    return rows


def documents(replay: Replay, folder: Path, count: int, seed: int) -> list[Weighted]:
    """So many rows of documents as tokens of the model in the folder; of a file, all of them."""
    encode = _encoder(folder)
    if replay.source not in DOCUMENTS:
        return [
            Weighted(f"replay-{n}", prompt, encode([text]))
            for n, (prompt, text) in enumerate(_read(Path(replay.source)))
        ]
    return list(
        islice(
            _corpus(
                replay.source,
                encode,
                random.Random(derive(seed, "replay documents", replay.source)),
            ),
            count,
        )
    )


def _corpus(source: str, encode: Encode, rng: random.Random) -> Iterator[Weighted]:
    """Documents that begin with a prompt, as often as pre-training draws them against each other."""
    kinds = JUDGED if source == "verification" else KINDS
    weights = {key: weight for key, weight in DOCUMENT_WEIGHTS.items() if key[1] in kinds}
    while True:
        (subject, kind), *_ = rng.choices(list(weights), list(weights.values()))
        (prompt, _), *segments, _end = document(subject, kind, rng)
        yield Weighted(f"replay-{subject}-{kind}", prompt, encode([text for text, _ in segments]))


def _encoder(folder: Path) -> Encode:
    """With the model's end token behind them. UsageError for a folder without a fast tokenizer."""
    try:
        tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        named = json.loads((folder / "tokenizer_config.json").read_text(encoding="utf-8"))[
            "eos_token"
        ]
        end = tokenizer.token_to_id(named["content"] if isinstance(named, dict) else named)
    except Exception as error:  # tokenizers raises nothing narrower
        raise UsageError(
            f"--replay: {folder} has no tokenizer.json with an end token ({error}); replay earlier or base rows"
        ) from None
    if end is None:
        raise UsageError(
            f"--replay: the tokenizer of {folder} does not know its own end token {named!r}; replay earlier or base rows"
        )
    return lambda pieces: (
        *(id for piece in pieces for id in tokenizer.encode(piece, add_special_tokens=False).ids),
        end,
    )


def _read(path: Path) -> Iterator[tuple[str, str]]:
    """(prompt, response) of each line. UsageError that names the line."""
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        try:
            row = json.loads(line)
            prompt, response = row["prompt"], row["response"]
        except (ValueError, KeyError, TypeError):
            prompt = response = None
        if not (isinstance(prompt, str) and isinstance(response, str) and prompt and response):
            raise UsageError(
                f'--replay {path}, line {number}: expected {{"prompt": "...", "response": "..."}} with text in both'
            )
        yield prompt, response
