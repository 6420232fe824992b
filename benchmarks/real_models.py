"""Measure small real models on real data: every command and table of docs/real-models.md.

    python benchmarks/real_models.py --model NAME=FOLDER [...] --data DIR [--train NAME]

Prints each ``strop`` command before it runs it, and the tables in Markdown at the end. A stopped
benchmark goes on where it was, and finished runs are only read. ``--data`` names a folder with the
data sets as their authors distribute them; a task whose file is not there is left out, and said.
A few hours on two cores for models of 135 and 270 million parameters.
"""

from __future__ import annotations

import argparse
import itertools
import json
import random
import shlex
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import strop

SUMS = "sums.jsonl"
READERS = ("mc", "logprob")
CHECKERS = ("mc", "cot-binary", "cot-mc")
"""The last two write a check of every response, which takes most of the time."""


@dataclass(frozen=True)
class Cell:
    """One run of the benchmark, with as many problems and samples as time allowed."""

    name: str
    task: str
    file: str
    options: str
    verifiers: tuple[str, ...] = READERS

    def arguments(self, folder: Path) -> list[str]:
        """Return the options of ``strop gap`` for this run; ``folder`` holds its file."""
        words = ["--task", self.task, "--data", str(folder / self.file), *self.options.split()]
        for verifier in self.verifiers:
            words += ["--verifier", verifier]
        return words


MMLU = "--problems 24 --samples 4 --max-tokens 128"
CELLS = (
    Cell("sums", "qa:numeric", SUMS, "--shots 4 --problems 100 --samples 16"),
    Cell("checks", "qa:numeric", SUMS, "--shots 4 --problems 32 --samples 4", CHECKERS),
    Cell(
        "gsm8k-checks",
        "gsm8k",
        "gsm8k-test.jsonl",
        "--problems 8 --samples 2 --max-tokens 160 --verify-max-tokens 160",
        CHECKERS,
    ),
    Cell(
        "nq",
        "natural-questions",
        "nq-open-dev.jsonl",
        "--problems 48 --samples 8 --max-tokens 32",
    ),
    Cell("mmlu-biology", "mmlu-biology", "mmlu-college-biology-test.csv", MMLU),
    Cell("mmlu-chemistry", "mmlu-chemistry", "mmlu-college-chemistry-test.csv", MMLU),
    Cell("mmlu-physics", "mmlu-physics", "mmlu-college-physics-test.csv", MMLU),
    Cell("game24", "game24", "game24.csv", "--problems 24 --samples 8 --max-tokens 48"),
    Cell("prontoqa", "prontoqa", "prontoqa-dev.json", "--problems 16 --samples 4 --max-tokens 128"),
    Cell("math", "math:integers", "math500.jsonl", "--problems 12 --samples 4 --max-tokens 200"),
)
ROUND = (
    "--shots 4 --train-problems 160 --problems 100 --samples 8 --lora-rank 16 "
    "--learning-rate 3e-4 --anyway"
)
ROUNDS = {
    "rft": "--filter-by mc@quantile:0.7 --pilot",
    "sft-sharpen": "--method sft-sharpen --pilot",
    "oracle": "--filter-by oracle",
}
"""One round of training on the sums by each of these: the options of ``strop improve``."""


def write_sums(path: Path) -> None:
    """Write sums of one and two steps as questions: 300 rows to train on and 100 to test."""
    one: list[tuple[str, int]] = []
    two: list[tuple[str, int]] = []
    for a, b in itertools.product(range(1, 10), repeat=2):
        one.append((f"What is {a} plus {b}?", a + b))
        one.append((f"What is {a + b} minus {b}?", a))
        two += [(f"What is {a} plus {b} plus {c}?", a + b + c) for c in range(1, 10)]
    generator = random.Random(0)
    rows = generator.sample(one, 160) + generator.sample(two, 240)
    generator.shuffle(rows)
    lines = []
    for number, (question, answer) in enumerate(rows):
        split = "train" if number < 300 else "test"
        row = {"question": question, "answer": str(answer), "split": split}
        lines.append(json.dumps(row) + "\n")
    path.write_text("".join(lines))


def run(*arguments: str) -> None:
    """Print a ``strop`` command and run it."""
    print("$ strop", shlex.join(arguments), flush=True)
    subprocess.run([sys.executable, "-m", "strop", *arguments], check=True, stdout=sys.stderr)


def measure(models: dict[str, str], data: Path, out: Path) -> list[Path]:
    """Sample and verify every model on every task whose file is there; return the run folders."""
    folders = []
    for (name, model), cell in itertools.product(models.items(), CELLS):
        home = out if cell.file == SUMS else data
        if not (home / cell.file).exists():
            print(f"{cell.name} is left out: {home / cell.file} is not there")
            continue
        folder = out / f"{name}-{cell.name}"
        run("gap", "--model", model, "--out", str(folder), *cell.arguments(home))
        folders.append(folder)
    return folders


def train(name: str, model: str, out: Path) -> list[Path]:
    """Train one round of a model by each method; return the folders of the courses."""
    folders = []
    for method, options in ROUNDS.items():
        folder = out / f"{name}-{method}"
        task = ["--task", "qa:numeric", "--data", str(out / SUMS)]
        words = [*task, *ROUND.split(), *options.split()]
        run("improve", "--model", model, "--out", str(folder), *words)
        folders.append(folder)
    return folders


def percent(estimate: Any) -> str:
    """Return an estimate of a run's document in percent, with its interval."""
    if estimate is None or estimate["value"] is None:
        return "–"
    value = f"{100 * estimate['value']:.1f}"
    if estimate["low"] is None:
        return f"{value} (no interval)".replace("-", "−")
    return f"{value} [{100 * estimate['low']:.1f}, {100 * estimate['high']:.1f}]".replace("-", "−")


def accuracy_rows(folders: list[Path]) -> Iterator[list[str]]:
    """Yield the rows of the first table: accuracies, pass@K, the best of K against greedy."""
    yield [
        "run",
        "P x K",
        "strict",
        "flexible",
        "greedy",
        "pass@K",
        "best of K by log P",
        "verdict",
    ]
    for folder in folders:
        document = strop.Run(folder).document
        samples = document["samples"]
        yield [
            folder.name,
            f"{document['problems']} x {samples}",
            percent(document["accuracy"]),
            percent(document["accuracy_flexible"]),
            percent(document["greedy"]),
            percent(document["analysis"]["pass_at_k"][str(samples)]),
            percent(document["verifiers"].get("logprob", {}).get("accuracy_kept")),
            f"{document['verdict']['train']} ({document['verdict']['situation']})",
        ]


def gap_rows(folders: list[Path]) -> Iterator[list[str]]:
    """Yield the rows of the second table: one for each verifier of each run."""
    yield ["run", "verifier", "gap", "relative gap", "AUROC", "unreadable"]
    for folder in folders:
        opened = strop.Run(folder)
        responses = opened.document["problems"] * opened.document["samples"]
        for name, row in opened.document["verifiers"].items():
            yield [
                folder.name,
                f"{name}@{row['weigh']}",
                percent(row["gap"]),
                percent(row["relative_gap"]),
                percent(row["auroc"]),
                f"{100 * row['unparsed'] / responses:.0f}%",
            ]


def round_rows(folders: list[Path]) -> Iterator[list[str]]:
    """Yield the rows of the third table: what was forecast of a round, and what came."""
    yield [
        "course",
        "before",
        "after",
        "gain",
        "forecast of the accuracy",
        "source",
        "pass@K after",
    ]
    for folder in folders:
        before, after = json.loads((folder / "improve.json").read_text())["rounds"][:2]
        yield [
            folder.name,
            percent(before["accuracy"]),
            percent(after["accuracy"]),
            percent(after["gain"]),
            percent(before["forecast"]),
            before["forecast_source"],
            percent(after["pass_at_k_since_base"][str(8)]),
        ]


def print_table(rows: Iterator[list[str]]) -> None:
    """Print rows as a table in Markdown; the first row is its head."""
    head = next(rows)
    print(f"\n| {' | '.join(head)} |\n|{'---|' * len(head)}")
    for row in rows:
        print(f"| {' | '.join(row)} |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", action="append", required=True, metavar="NAME=FOLDER")
    parser.add_argument("--train", metavar="NAME", help="the model that is trained, one of --model")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, default=Path("runs/real"))
    arguments = parser.parse_args()
    models = dict(model.split("=", 1) for model in arguments.model)
    out: Path = arguments.out
    out.mkdir(parents=True, exist_ok=True)
    write_sums(out / SUMS)
    folders = measure(models, arguments.data, out)
    print_table(accuracy_rows(folders))
    print_table(gap_rows(folders))
    if arguments.train:
        name = arguments.train
        print_table(round_rows(train(name, models[name], out)))


if __name__ == "__main__":
    main()
