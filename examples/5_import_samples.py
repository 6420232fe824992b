"""Import samples that another program drew, and measure them: here of the game of 24.

    python 5_import_samples.py runs/mine
    python 5_import_samples.py runs/gpt-4 game24-gpt4-samples.json game24.csv

The second command takes GPT-4's samples as the tree-of-thoughts authors published them, and their
list of puzzles. Without the files, a few responses below stand for them.
"""

from __future__ import annotations

import csv
import json
import sys
from pathlib import Path
from typing import Any

import strop
from strop.run.gap import import_samples

HANDS = ["4 5 6 10", "1 2 4 7"]
SAMPLES = [
    {"idx": 0, "ys": ["Answer: (10 - 4) * (5 - 1) = 24", "Answer: 4 * 5 - 6 + 10 = 24"]},
    {"idx": 1, "ys": ["Answer: (7 - 1) * (4 - 2) = 24", "Answer: (7 - 1) * 4 = 24"]},
]


def lines(samples: list[dict[str, Any]], hands: list[str]) -> list[str]:
    """Return one line of JSON per response: the problem, its question and the text."""
    written = []
    for puzzle in samples:
        hand = hands[puzzle["idx"]]
        for response in puzzle["ys"]:
            # The prompt asked for "Answer: "; the task wants the expression alone.
            text = response.strip().removeprefix("Answer:").strip()
            written.append(json.dumps({"problem": hand, "question": hand, "text": text}))
    return written


def main() -> None:
    out, *files = map(Path, sys.argv[1:])
    samples, hands = SAMPLES, HANDS
    if files:
        samples = json.loads(files[0].read_text(encoding="utf-8"))
        with files[1].open(newline="", encoding="utf-8") as puzzles:
            hands = [row["Puzzles"] for row in csv.DictReader(puzzles)]
    converted = out.with_name(f"{out.name}.jsonl")
    converted.parent.mkdir(parents=True, exist_ok=True)
    converted.write_text("\n".join(lines(samples, hands)) + "\n", encoding="utf-8")
    # The task works out every expression: no reference is needed.
    run = import_samples(converted, out, model="gpt-4", task="game24")
    run = strop.add_verifier(run.path, "majority")
    print(f"accuracy {run.document['accuracy']['value']:.4f} of {run.responses.height:,} responses")
    print(f"gap of the majority vote: {run.document['verifiers']['majority']['gap']['value']:.4f}")
    verdict = run.document["verdict"]
    print(f"train on what it keeps? {verdict['train']}: {verdict['why']}")
    print(f"report: {run.report()}")


if __name__ == "__main__":
    main()
