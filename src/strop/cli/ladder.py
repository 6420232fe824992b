"""``strop ladder``: list the embedded models, train them again, evaluate them, ship them."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from strop.cli.options import AsJson
from strop.cli.output import print_progress
from strop.errors import UsageError

if TYPE_CHECKING:
    from strop.ladder.recipes import Recipe

ladder_app = typer.Typer(
    no_args_is_help=True, help="The embedded models: list them, train them again, evaluate them."
)


@ladder_app.command("list")
def list_(as_json: AsJson = False) -> None:
    """List the embedded models."""
    from strop.engines import embedded_models

    cards = embedded_models()
    if as_json:
        print(json.dumps(cards))
        return
    for name, card in cards.items():
        print(
            f"{name:<17} {card['parameters']:>8,} parameters  {card['flops']:.1e} FLOPs  "
            f"{card['family']}  seed {card['recipe']['seed']}"
        )


@ladder_app.command("train")
def train(
    name: Annotated[str, typer.Argument(help="Which model, such as 250k.")],
    out: Annotated[
        Path,
        typer.Option(
            "--out",
            help="Folder to write the model to; the same command continues a stopped training.",
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
        typer.Option(
            help="Also keep the model each time it has seen this many more tokens, in OUT/tokens-N."
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Pre-train an embedded model again and measure its distance from the shipped one (extra: hf).

    Training uses one thread; see strop/ladder/train.py.
    """
    recipe = _recipe(name, tokens, seed, keep_every)
    # Imported after the options are checked: torch takes seconds to load.
    from strop.engines import LADDER
    from strop.ladder.distance import distance
    from strop.ladder.train import train

    shipped = LADDER / name
    card = train(recipe, out, keep_every, print_progress)
    gap_to_shipped = distance(out, shipped) if shipped.exists() else None
    if as_json:
        print(json.dumps({"card": card, "distance": gap_to_shipped}))
        return
    print(
        f"{out}: {card['parameters']:,} parameters, {card['tokens']:,} tokens, "
        f"{card['flops']:.1e} FLOPs, {card['seconds']:,} s"
    )
    if gap_to_shipped is None:
        print(f"There is no shipped {name} to compare it with.")
    else:
        _print_distance(gap_to_shipped)


def _recipe(name: str, tokens: int | None, seed: int | None, keep_every: int | None) -> Recipe:
    """Return the recipe with the tokens and the seed that are given."""
    from dataclasses import replace

    from strop.engines import LADDER
    from strop.ladder.recipes import RECIPES

    if name not in RECIPES:
        raise UsageError(f"there is no recipe {name!r}; there are {', '.join(RECIPES)}")
    for option, value in (("--tokens", tokens), ("--keep-every", keep_every)):
        if value is not None and value < 1:
            raise UsageError(f"{option} {value}: expected 1 or more")
    card = LADDER / name / "card.json"
    if seed is None and card.exists():
        seed = json.loads(card.read_text())["recipe"]["seed"]
    return replace(RECIPES[name], tokens=tokens or RECIPES[name].tokens, seed=seed or 0)


def _print_distance(distance: dict[str, Any]) -> None:
    if distance["same"]:
        print("The weights are the shipped model's.")
    else:
        print(f"Distance to the shipped weights: {distance['weights']:.3f} of their norm.")
    for kind, (loss, shipped_loss) in distance["losses"].items():
        print(f"  loss on fresh {kind} documents: {loss:.4f}, shipped {shipped_loss:.4f}")


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
            help="Folder for runs, ladder.csv and ladder.md; stored runs are reused.",
        ),
    ] = Path("runs/ladder"),
    docs: Annotated[
        Path | None,
        typer.Option(
            help="Markdown file whose marked part gets the tables, such as docs/ladder.md; "
            "ladder.csv goes beside it."
        ),
    ] = None,
    quick: Annotated[bool, typer.Option("--quick", help="A small version.")] = False,
) -> None:
    """Run the frozen evaluation.

    Every model solves every task and difficulty, with every prompted verifier.
    """
    from strop.studies.ladder import TABLES, LadderStudy
    from strop.studies.ladder_page import BEGIN, insert

    # Checked before the evaluation, which takes long.
    if docs is not None and (not docs.exists() or BEGIN not in docs.read_text(encoding="utf-8")):
        raise UsageError(
            f"{docs} lacks the line {BEGIN!r}; put it and its end where the tables belong"
        )
    study = LadderStudy.quick() if quick else LadderStudy()
    if models is not None:
        study = LadderStudy(models, study.problems, study.samples)
    page = study.run(out, print_progress)
    if docs is not None:
        text = docs.read_text(encoding="utf-8")
        tables = (out / TABLES).read_text(encoding="utf-8")
        docs.write_text(insert(text, tables), encoding="utf-8")
        shutil.copy(out / "ladder.csv", docs.with_suffix(".csv"))
    print(page)


@ladder_app.command("ship", hidden=True)
def ship(
    models: Annotated[Path, typer.Option(help="Folder of model folders, seeds side by side.")],
    out: Annotated[Path, typer.Option("--out", help="Folder of their evaluation.")] = Path(
        "runs/ladder"
    ),
) -> None:
    """Copy the median seed of every size into the package, with its evaluation in its card.

    strop/studies/ladder.py has the rule.
    """
    from strop.engines import LADDER
    from strop.studies.ladder import LadderStudy

    study = LadderStudy(models)
    evaluation = study.evaluate(out, print_progress)
    for size in evaluation.sizes:
        chosen = evaluation.median_seed(size)
        target = LADDER / size
        shutil.rmtree(target, ignore_errors=True)
        shutil.copytree(chosen.folder, target, ignore=shutil.ignore_patterns("tokens-*"))
        card = dict(chosen.card)
        card["evaluation"] = evaluation.card(chosen, study.problems, study.samples)
        (target / "card.json").write_text(json.dumps(card, indent=2) + "\n")
        print(f"{size}: seed {chosen.seed}")
