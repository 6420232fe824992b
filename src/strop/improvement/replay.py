"""Rows that are mixed into a round's training rows, so that a model does not forget.

    earlier        the rows of all rounds before
    base           responses of the base model to the training problems, unfiltered
    verification   judged candidates of the embedded models' corpus, in the frames of the prompted
                   verifiers (embedded models only)
    corpus         its documents with a prompt: solutions and judged candidates (embedded models
                   only)
    FILE.jsonl     rows {"prompt": ..., "response": ...} of your own, as the model is to read and
                   write them

Pre-training documents contain right answers: a gain under their replay is not the model's own
improvement alone.
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
"""Pieces of a text, each encoded alone, to tokens."""


@dataclass(frozen=True)
class Replay:
    """A source, and its share of the weight of all rows that are trained on."""

    source: str
    share: float

    def __post_init__(self) -> None:
        if not 0 < self.share < 1:
            raise UsageError(
                f"--replay {self.source}:{self.share:g}: expected a share between 0 and 1"
            )
        sources = (*ROWS, *DOCUMENTS)
        if self.source not in sources and not Path(self.source).is_file():
            raise UsageError(
                f"--replay {self.source}: there is no such file; expected {', '.join(sources)}, "
                "or a .jsonl file"
            )

    @classmethod
    def parse(cls, text: str) -> Replay:
        """Return the replay of SOURCE:SHARE, such as base:0.25."""
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
    """Return the round's own rows, and rows of each replay, drawn at random.

    A replay gets as many rows as its share asks for, if it has them; the rows together get its
    share of the weight.
    """
    own_share = 1 - sum(replay.share for replay, _ in replays)
    own_weight = sum(row.weight for row in own)
    rows = list(own)
    for replay, pool in replays:
        if not pool:
            continue
        # At least one: a replay that was asked for is never rounded away.
        wanted = min(len(pool), round(len(own) * replay.share / own_share))
        rng = random.Random(derive(seed, "replay", replay.source))
        drawn = rng.sample(list(pool), max(1, wanted))
        scale = own_weight * replay.share / own_share / sum(row.weight for row in drawn)
        rows += [replace(row, weight=row.weight * scale) for row in drawn]
    return rows


def documents(replay: Replay, folder: Path, count: int, seed: int) -> list[Weighted]:
    """Return ``count`` documents as rows, in tokens of the model in the folder.

    A file gives all its rows.
    """
    encode = _encoder(folder)
    if replay.source in DOCUMENTS:
        rng = random.Random(derive(seed, "replay documents", replay.source))
        return list(islice(_corpus(replay.source, encode, rng), count))
    return [
        Weighted(f"replay-{number}", prompt, encode([response]))
        for number, (prompt, response) in enumerate(_read(Path(replay.source)))
    ]


def _corpus(source: str, encode: Encode, rng: random.Random) -> Iterator[Weighted]:
    """Yield documents that start with a prompt, as often as pre-training draws each kind."""
    kinds = JUDGED if source == "verification" else KINDS
    weights = {key: weight for key, weight in DOCUMENT_WEIGHTS.items() if key[1] in kinds}
    while True:
        [(subject, kind)] = rng.choices(list(weights), list(weights.values()))
        # The first segment is the prompt, the last one the end token, which ``encode`` adds.
        (prompt, _), *segments, _end = document(subject, kind, rng)
        yield Weighted(f"replay-{subject}-{kind}", prompt, encode([text for text, _ in segments]))


def _encoder(folder: Path) -> Encode:
    """Return a function that encodes pieces and adds the model's end token.

    UsageError for a folder without a fast tokenizer.
    """
    try:
        tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        config = json.loads((folder / "tokenizer_config.json").read_text(encoding="utf-8"))
        end_token = config["eos_token"]
        text = end_token["content"] if isinstance(end_token, dict) else end_token
        end = tokenizer.token_to_id(text)
    except Exception as error:  # tokenizers raises nothing narrower
        raise UsageError(
            f"--replay: {folder} has no tokenizer.json with an end token ({error}); "
            "replay earlier or base rows"
        ) from None
    if end is None:
        raise UsageError(
            f"--replay: the tokenizer of {folder} does not know its own end token {end_token!r}; "
            "replay earlier or base rows"
        )

    def encode(pieces: Sequence[str]) -> tuple[int, ...]:
        ids: list[int] = []
        for piece in pieces:
            ids += tokenizer.encode(piece, add_special_tokens=False).ids
        return (*ids, end)

    return encode


def _read(path: Path) -> Iterator[tuple[str, str]]:
    """Yield prompt and response of each line. UsageError with the number of a bad line."""
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        try:
            row = json.loads(line)
            prompt, response = row["prompt"], row["response"]
        except (ValueError, KeyError, TypeError):
            prompt = response = None
        if not (isinstance(prompt, str) and isinstance(response, str) and prompt and response):
            raise UsageError(
                f"--replay {path}, line {number}: expected "
                '{"prompt": "...", "response": "..."} with text in both'
            )
        yield prompt, response
