"""``strop ladder``: list the embedded models, train them again, evaluate them, ship them."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from typing import Annotated

import typer

from strop.cli.options import AsJson
from strop.errors import UsageError

ladder_app = typer.Typer(
    no_args_is_help=True, help="The embedded models: list them, train them again, evaluate them."
)


@ladder_app.command("list")
def list_(as_json: AsJson = False) -> None:
    """The embedded models' cards."""
    from strop.engines import embedded_models

    cards = embedded_models()
    if as_json:
        print(json.dumps(cards))
        return
    for name, card in cards.items():
        print(
            f"{name:<17} {card['parameters']:>8,} parameters  {card['flops']:.1e} FLOPs  {card['family']}  seed {card['recipe']['seed']}"
        )


@ladder_app.command("train")
def train(
    name: Annotated[str, typer.Argument(help="Which model, such as 250k.")],
    out: Annotated[
        Path,
        typer.Option(
            "--out",
            help="Folder to write the model to; the same command goes on with a stopped training.",
        ),
    ],
    tokens: Annotated[
        int | None, typer.Option(help="Tokens to train on (default: the recipe's).")
    ] = None,
    seed: Annotated[
        int | None, typer.Option(help="Seed of weights and corpus (default: the shipped model's).")
    ] = None,
    keep_every: Annotated[
        int | None,
        typer.Option(help="Also keep the model after each so many tokens, in OUT/tokens-N."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Pre-train an embedded model again, and say how far it is from the shipped one (extra: hf). One thread; see strop/ladder/train.py."""
    from dataclasses import replace

    from strop.engines import LADDER
    from strop.ladder.recipes import RECIPES

    if name not in RECIPES:
        raise UsageError(f"there is no recipe {name!r}; there are {', '.join(RECIPES)}")
    for option, value in (("--tokens", tokens), ("--keep-every", keep_every)):
        if value is not None and value < 1:
            raise UsageError(f"{option} {value}: expected 1 or more")
    from strop.ladder.train import distance, train

    shipped = LADDER / name
    if seed is None:
        seed = (
            json.loads((shipped / "card.json").read_text())["recipe"]["seed"]
            if shipped.exists()
            else 0
        )
    recipe = replace(RECIPES[name], tokens=tokens or RECIPES[name].tokens, seed=seed)
    card = train(recipe, out, keep_every, lambda line: print(line, file=sys.stderr, flush=True))
    found = distance(out, shipped) if shipped.exists() else None
    if as_json:
        print(json.dumps({"card": card, "distance": found}))
        return
    print(
        f"{out}: {card['parameters']:,} parameters, {card['tokens']:,} tokens, {card['flops']:.1e} FLOPs, {card['seconds']:,} s"
    )
    if found is None:
        print(f"There is no shipped {name} to compare it with.")
        return
    print(
        "The weights are the shipped model's."
        if found["same"]
        else f"Distance to the shipped weights: {found['weights']:.3f} of their norm."
    )
    for kind, (own, theirs) in found["losses"].items():
        print(f"  loss on fresh {kind} documents: {own:.4f}, shipped {theirs:.4f}")


@ladder_app.command("eval")
def evaluate(
    models: Annotated[
        Path | None,
        typer.Option(
            help="Folder of model folders, seeds side by side (default: the shipped models)."
        ),
    ] = None,
    out: Annotated[
        Path,
        typer.Option(
            "--out",
            help="Folder for runs, ladder.csv and ladder.md; what it holds is not made again.",
        ),
    ] = Path("runs/ladder"),
    docs: Annotated[
        Path | None,
        typer.Option(
            help="Markdown file whose marked part gets the tables, such as docs/ladder.md; ladder.csv goes beside it."
        ),
    ] = None,
    quick: Annotated[bool, typer.Option("--quick", help="A small version.")] = False,
) -> None:
    """The frozen evaluation: every model on every task and difficulty with every prompted verifier."""
    from strop.studies.ladder import TABLES, LadderStudy
    from strop.studies.ladder_page import BEGIN, insert

    if docs is not None and (not docs.exists() or BEGIN not in docs.read_text(encoding="utf-8")):
        raise UsageError(
            f"{docs} lacks the line {BEGIN!r}; put it and its end where the tables belong"
        )
    study = LadderStudy.quick() if quick else LadderStudy()
    if models is not None:
        study = LadderStudy(models, study.problems, study.samples)
    page = study.run(out, lambda line: print(line, file=sys.stderr, flush=True))
    if docs is not None:
        docs.write_text(
            insert(docs.read_text(encoding="utf-8"), (out / TABLES).read_text(encoding="utf-8")),
            encoding="utf-8",
        )
        shutil.copy(out / "ladder.csv", docs.with_suffix(".csv"))
    print(page)


@ladder_app.command("ship", hidden=True)
def ship(
    models: Annotated[Path, typer.Option(help="Folder of model folders, seeds side by side.")],
    out: Annotated[Path, typer.Option("--out", help="Folder of their evaluation.")] = Path(
        "runs/ladder"
    ),
) -> None:
    """Put the median seed of every size among the package's files, its evaluation in its card (strop/studies/ladder.py has the rule)."""
    from strop.engines import LADDER
    from strop.studies.ladder import LadderStudy

    study = LadderStudy(models)
    found = study.evaluate(out, lambda line: print(line, file=sys.stderr, flush=True))
    for name in found.sizes:
        chosen = found.median_seed(name)
        shutil.rmtree(LADDER / name, ignore_errors=True)
        shutil.copytree(chosen.folder, LADDER / name, ignore=shutil.ignore_patterns("tokens-*"))
        card = dict(chosen.card) | {"evaluation": found.card(chosen, study.problems, study.samples)}
        (LADDER / name / "card.json").write_text(json.dumps(card, indent=2) + "\n")
        print(f"{name}: seed {chosen.seed}")
