"""The steps of one round: measure a model, make training rows, train the next model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from strop.distill import Row, Trainer, Weighted
from strop.distill.rows import Ids
from strop.engines import is_embedded, trained_name
from strop.errors import UsageError
from strop.improvement.course import Course
from strop.improvement.judges import as_asked_of, as_stage_names
from strop.improvement.loaded_model import LoadedModel
from strop.improvement.pilot import Pilot, PilotFit, pilot_problems
from strop.improvement.replay import DOCUMENTS, ROWS, Replay, documents, mixed
from strop.improvement.round import Round
from strop.improvement.training_folder import training_folder
from strop.improvement.training_rows import (
    one_of_each,
    prompt_tokens,
    rows_for,
    unfiltered,
    with_prompt_tokens,
)
from strop.json_files import read_json
from strop.progress import Titled, Watcher
from strop.run.circumstances import PILOT
from strop.run.executors import Execution, Executor
from strop.run.gap import sample, verify_run
from strop.run.run import Run, write_estimates
from strop.run.store import RunFolder
from strop.run.verification import Verification
from strop.seeds import derive
from strop.text import slug
from strop.verify import find_verifier
from strop.weigh import Product

MOST_DOCUMENTS = 4_000
"""The largest number of documents that a replay draws."""


@dataclass(frozen=True)
class RoundRunner:
    """Runs the steps of rounds below ``path``. Every step resumes where it was stopped."""

    path: Path
    course: Course
    executor: Executor
    watcher: Watcher

    @cached_property
    def models(self) -> LoadedModel:
        """The model that is loaded now."""
        return LoadedModel(self.executor)

    def folder_of(self, model: str) -> Path:
        """Return the folder with the whole weights of a model of this course."""
        return training_folder(model, self.path / "round-0" / "merged")

    def measure(self, number: int, model: str) -> Round:
        """Sample the model on held-out problems and verify its responses.

        They are judged by the model itself, by the base model, and by the filter.
        """
        course = self.course
        # A run of ``strop gap`` that this course lies in has drawn the base model's responses.
        parent = self.path.parent if number == 0 else None
        held_out = self._sample(model, number, "held-out", "test", course.problems, reuse=parent)
        judges = (
            (course.judge, model),
            (course.judge, course.model),
            (course.filter, course.verify_with or model),
        )
        # One model may have several of these roles; it is asked once.
        for product, judge in dict.fromkeys(judges):
            held_out = self._verify(held_out, number, product, judge, reuse=parent)
        return Round(number, model, write_estimates(held_out))

    def sample_training(self, current: Round) -> Round:
        """Return the round with responses to its training problems; a pilot's are used again."""
        problems = self.course.train_problems
        train = self._sample(
            current.model, current.number, "train", "train", problems, reuse=self._pilot_train
        )
        return replace(current, train=train)

    @property
    def has_pilot(self) -> bool:
        """Whether a pilot is stored."""
        return (self._pilot_folder / PILOT).is_file()

    @property
    def _pilot_folder(self) -> Path:
        return self.path / "round-0" / "pilot"

    @property
    def _pilot_train(self) -> Path:
        return self._pilot_folder / "train"

    def pilot(self, held_out: Run) -> Pilot | None:
        """Make a pilot of the first round, judged on the held-out run of the base model.

        A pilot that is stored is read, not made again. None if the filter keeps nothing.
        """
        course = self.course
        if course.trainer.online:
            raise UsageError(
                f"--pilot: --method {course.method} draws its own responses; leave --pilot out"
            )
        if self.has_pilot:
            stored = self._pilot_folder / PILOT
            document = read_json(stored)
            return Pilot.from_json(document) if document else None
        model = course.model
        problems = pilot_problems(course.train_problems)
        whole = self.path / "round-0" / "train"
        train = self._sample(model, 0, "pilot/train", "train", problems, reuse=whole)
        judge = course.verify_with or model
        train = self._verify(train, 0, course.filter, judge, reuse=whole)
        kept_by = as_stage_names(course.filter, judge, model)
        assert kept_by is not None
        tokens = self._prompt_tokens(train) | self._prompt_tokens(held_out)
        self.models.release()
        fit = PilotFit(course, self.folder_of(model), kept_by, tokens, self._pilot_folder)
        pilot = fit.run(held_out, train, Titled(self.watcher, "pilot"))
        document = pilot.as_json() if pilot is not None else {}
        RunFolder(self._pilot_folder).write_json(PILOT, document)
        return pilot

    def make_rows(self, current: Round) -> Round:
        """Return the round with its training samples verified and turned into training rows."""
        course = self.course
        judge = course.verify_with or current.model
        assert current.train is not None
        train = self._verify(
            current.train, current.number, course.filter, judge, reuse=self._pilot_train
        )
        kept_by = as_stage_names(course.filter, judge, current.model)
        assert kept_by is not None
        rows = rows_for(course.trainer.row, train, kept_by, course.keeping, course.pairs)
        return replace(current, train=train, training_rows=rows)

    def train(self, rounds: list[Round]) -> str:
        """Fit the last model to its rows and the replayed ones; return the next model's name.

        The last of ``rounds`` is replaced by one that counts the replayed rows.
        """
        current = rounds[-1]
        trainer = self.course.trainer
        next_round = self.path / f"round-{current.number + 1}"
        if trainer.online:
            fitted = self._fit_online(trainer, current, next_round / trainer.name)
        else:
            fitted = self._fit(trainer, rounds, next_round / "model")
        return trained_name(self.course.model, fitted)

    def _fit(self, trainer: Trainer, rounds: list[Round], out: Path) -> Path:
        course, current = self.course, rounds[-1]
        assert current.training_rows is not None and current.train is not None
        # Replayed responses of this course answer the same prompts.
        tokens = self._prompt_tokens(current.train)
        self.models.release()
        rows = with_prompt_tokens(self._with_replay(rounds), tokens)
        rounds[-1] = replace(current, replayed=len(rows) - len(current.training_rows.rows))
        return trainer.fit(
            self.folder_of(current.model),
            rows,
            out,
            # A loss against a base compares with the round's own model; the KL term of SFT holds
            # on to the model that the course began with.
            base=None if trainer.needs_base else self.folder_of(course.model),
            data=f"{course.method} on {len(rows)} rows of {course.task.label}, "
            f"filtered by {course.filter.spec}",
            watcher=Titled(self.watcher, f"round {current.number + 1}"),
        )

    def _with_replay(self, rounds: list[Round]) -> Sequence[Row]:
        """Return the last round's rows with the rows that are mixed in."""
        current = rounds[-1]
        assert current.training_rows is not None
        own = current.training_rows.rows
        if not self.course.replay:
            return own
        replays = [(replay, self._pool(replay, rounds, len(own))) for replay in self.course.replay]
        # Only methods that train on weighted rows have a replay (Course checks it).
        weighted = [row for row in own if isinstance(row, Weighted)]
        return mixed(weighted, replays, derive(self.course.seed, "round", current.number))

    def _pool(self, replay: Replay, rounds: list[Round], count: int) -> Sequence[Weighted]:
        """Return the rows that a replay draws from, for a round with ``count`` rows of its own."""
        if replay.source == "base":
            assert rounds[0].train is not None
            return unfiltered(rounds[0].train)
        if replay.source in ROWS:
            earlier: list[Weighted] = []
            for past_round in rounds[:-1]:
                rows = past_round.training_rows.rows if past_round.training_rows else ()
                earlier += [row for row in rows if isinstance(row, Weighted)]
            return earlier
        if replay.source in DOCUMENTS and not is_embedded(self.course.model):
            raise UsageError(
                f"--replay {replay.source}: this is the embedded models' corpus; "
                "give a .jsonl file of your own"
            )
        own_share = 1 - sum(each.share for each in self.course.replay)
        # One more than the share asks for, as ``mixed`` rounds.
        wanted = min(MOST_DOCUMENTS, round(count * replay.share / own_share) + 1)
        seed = derive(self.course.seed, "documents", rounds[-1].number)
        return documents(replay, self.folder_of(self.course.model), wanted, seed)

    def _prompt_tokens(self, run: Run) -> dict[str, Ids]:
        """Return the tokens of the run's prompts by their text, as its engine sends them."""
        return prompt_tokens(run, self.models.load(run.plan.model))

    def _sample(
        self,
        model: str,
        number: int,
        name: str,
        split: str,
        problems: int,
        reuse: Path | None = None,
    ) -> Run:
        """Draw responses; verifiers are added to the run later.

        ``reuse``: a run whose responses are taken over where it was drawn alike.
        """
        return sample(
            self.models.load(model),
            self.course.task,
            out=self.path / f"round-{number}" / name,
            workers=self.executor,
            watcher=Titled(self.watcher, f"round {number} {name}"),
            split=split,
            problems=problems,
            reuse=reuse,
            **self.course.drawing(training=split == "train"),
        )

    def _verify(
        self,
        run: Run,
        number: int,
        product: Product,
        judge: str,
        reuse: Path | None = None,
    ) -> Run:
        """Add every verifier of the product to the run, asked of the model ``judge``.

        Nothing is added if some verifier asks no model and the judge is not the generator.
        """
        asked = as_asked_of(product, judge, run.plan.model)
        execution = Execution(
            self.executor, Titled(self.watcher, f"round {number} {run.path.name}")
        )
        for name in asked.verifiers if asked else ():
            verifier = find_verifier(name)
            engine = self.models.load(judge) if verifier.asks_model else None
            verify_run(run, Verification.of(verifier, engine), execution, reuse=reuse)
            del engine  # the next model may need its memory
        # Opened again, to read the scores that were added.
        return Run(run.path, (), self.course.task)

    def _fit_online(self, trainer: Trainer, current: Round, out: Path) -> Path:
        """Let the trainer draw its own responses, one pair of each training problem a round."""
        base = self.folder_of(current.model)

        def draw(folder: Path, stage: str) -> list[Weighted]:
            # A pair is the policy's first response and the base model's second one: the two share
            # no random number.
            drawn_from, _, number = stage.partition(" ")
            index = int(drawn_from == "base")
            options = self.course.drawing(training=True)
            options["samples"] = 1 + index
            options["seed"] = derive(self.course.seed, trainer.name, number or drawn_from)
            model = current.model
            if folder != base:
                model = trained_name(self.course.model, folder)
            run = sample(
                self.models.load(model),
                self.course.task,
                out=out / slug(stage if number else f"{drawn_from}-{folder.name}"),
                workers=self.executor,
                split="train",
                problems=self.course.train_problems,
                **options,
            )
            tokens = self._prompt_tokens(run)
            self.models.release()  # the next step trains
            return with_prompt_tokens(one_of_each(run, index), tokens)

        def reward(rows: Sequence[Weighted]) -> list[float]:
            from strop.distill.scoring import score_rows

            return [float(logprob) for logprob in score_rows(base, rows)[:, 0]]

        self.models.release()
        return trainer.fit_online(
            base, out, rounds=self.course.pairs, draw=draw, reward=reward, watcher=self.watcher
        )
