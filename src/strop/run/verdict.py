"""The question that a gap is measured for: would a round of self-training help this model here?

A verdict says train, do not train, or unclear; with which verifier, by how much, how that is known,
and which command to type next. What makes the numbers meaningless (one response a problem, the same
response K times, checks that cannot be read ...) stands ahead of everything else, in its own words.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from strop.measure import Ratio, estimate_all
from strop.measure.crossfit import crossfit
from strop.measure.diagnosis import improvable
from strop.measure.forecast import WORTH
from strop.measure.gap import accuracy, accuracy_P, has_survivor_P
from strop.measure.intervals import Floats, difference
from strop.measure.rates import auroc_within
from strop.records import Estimate
from strop.run.evidence import Evidence
from strop.run.forecasting import Setting, SourcedForecast, forecast_round
from strop.run.unreadable import MANY_UNREADABLE, UNREADABLE, caution_of, what_to_try
from strop.run.updates import Update
from strop.verify import VERIFIERS

Train = Literal["yes", "no", "unclear"]
METHOD = "rft"
METHOD_FILTER = "cot-binary@threshold:0.5"
"""The filter that the method has by default: the command need not name it."""
SURE = 0.9
"""A gain counts as worth a round, or as not worth it, from this probability on."""
MOSTLY = 0.5
"""With a larger share of empty or refused responses, nothing is measured of the model."""
MOST_PLANNED = 100_000
UNKNOWN = (
    "what comes after the first round: the gap shrinks, and pass@k for large k may fall",
    "whether problems to train on are like these, which they have to be",
)


@dataclass(frozen=True)
class Circumstances:
    """What a verdict needs to know of a run beside its samples and scores.

    ``unreadable`` is the share of each verifier's checks that could not be read; ``cut_at`` the
    limit of tokens of those that it cut most of these checks of. ``identical``: all responses to
    each problem are the same text. ``empty``, ``unclosed``, ``refused``: the shares of
    responses without text, cut off while thinking, and refused by a server; ``max_tokens``: the
    limit of a response, 0 if unknown. ``one_a_request``: the name of a served model with one sample
    a request, "" for other models. ``can_train``: the model lies in a folder that ``strop improve``
    can train. ``has_answers``: an answer was found in some response, so that votes can be counted.
    ``command``: the words of the command line that name the model and the task; ``shots``: the
    number of examples; ``sizes``: those of
    its sizes that are not the defaults; ``resume``: those that go on with this very run, if any
    can. ``pilots``: the gain of the pilot fit by its filter, if there was one. ``cost``: that of
    sampling and verifying one round.
    """

    model: str
    task: str
    folder: str
    temperature: float | None
    command: Sequence[str]
    can_train: bool
    shots: int = 0
    sizes: Sequence[str] = ()
    resume: Sequence[str] = ()
    is_imported: bool = False
    has_answers: bool = False
    trainer: str = ""
    unreadable: Mapping[str, float] = field(default_factory=dict)
    cut_at: Mapping[str, int] = field(default_factory=dict)
    identical: bool = False
    empty: float = 0.0
    unclosed: float = 0.0
    refused: float = 0.0
    max_tokens: int = 0
    one_a_request: str = ""
    pilots: Mapping[str, Estimate] = field(default_factory=dict)
    cost: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Ruling:
    """What to do, why, and the next command; ``situation`` names a special case, if it is one."""

    train: Train
    why: str
    situation: str = ""
    next: str = ""


def verdict(
    evidence: Evidence, counts_BP: Floats, past: Sequence[Update], run: Circumstances
) -> dict[str, Any]:
    """Return the verdict as JSON: ``train`` (yes, no, unclear), ``why``, ``next``, and numbers."""
    special = _special_case(evidence, run)
    document: dict[str, Any] = {"method": METHOD, "unknown": list(UNKNOWN), "worth": WORTH}
    document |= _likelihood(evidence, counts_BP) | _format(evidence, counts_BP)
    document |= _cautions(evidence, run, special)
    if special is not None and special.situation not in ("all_or_nothing",):
        return document | _as_json(special)
    names = [name for name in evidence.blind if run.unreadable.get(name, 0.0) < UNREADABLE]
    choice = _choose(evidence, counts_BP, names)
    if choice is None:
        why = "no verifier could be chosen: the problems are too few to judge a choice on others"
        return document | _as_json(special or Ruling("unclear", why, "few_problems", _plan(run)))
    name, gap = choice
    weight = evidence.judges[name].weight.spec
    setting = Setting(run.model, run.task, f"{name}@{weight}", run.trainer)
    before = float(accuracy_P(evidence.samples.utility_PK, evidence.samples.mask_PK).mean())
    pilot = run.pilots.get(setting.filter)
    sourced = forecast_round(setting, before, gap, past, pilot)
    ruling = special or _decide(setting, gap, sourced, run)
    document |= _as_json(ruling) | {
        "verifier": name,
        "weigh": weight,
        "gap": gap.as_json(definition=True),
    }
    document |= {
        "source": sourced.source,
        "source_words": sourced.words,
        "other_courses": len(past),
    }
    if pilot is not None:
        document["pilot"] = pilot.as_json(definition=True)
    if run.cost:
        document["cost_of_round"] = dict(run.cost)
    forecast = sourced.forecast
    if special is not None or forecast is None:
        why = special.why if special else "the size of the gain is not known before training"
        return document | {
            "gain": {"value": None, "why": why},
            "expected_accuracy": {"value": None, "why": why},
        }
    return document | {
        "gain": forecast.gain.as_json(definition=True),
        "expected_accuracy": forecast.accuracy_after(before).as_json(definition=True),
        "probability_worth": forecast.worth,
    }


def _cautions(evidence: Evidence, run: Circumstances, special: Ruling | None) -> dict[str, str]:
    """Return which verifiers have many checks that could not be read, and what to try.

    Return nothing where the ruling itself is about them.
    """
    if special is not None and special.situation == "unreadable":
        return {}
    cautions = []
    for name in evidence.blind:
        share = run.unreadable.get(name, 0.0)
        if share > MANY_UNREADABLE:
            cautions.append(caution_of(name, share, run.cut_at))
    return {"caution": "; ".join(cautions)} if cautions else {}


def _special_case(evidence: Evidence, run: Circumstances) -> Ruling | None:
    """Return what makes a forecast meaningless, the gravest first; None for an ordinary run."""
    samples = evidence.samples
    count_P = samples.mask_PK.sum(axis=1)
    largest = int(count_P.max())
    responses = int(count_P.sum())
    strict = float(accuracy_P(samples.utility_PK, samples.mask_PK).mean())
    flexible = float(accuracy_P(samples.flexible_PK, samples.mask_PK).mean())
    if largest == 1:
        why = "each problem has one response, and a filter needs several to choose among"
        return Ruling("unclear", why, "one_response", _gap(run, "--samples 8"))
    if max(run.empty, run.refused) > MOSTLY:
        return _no_answers(run)
    if run.identical and run.temperature != 0:
        why = (
            f"all {largest} responses to each problem are the same text, so there is nothing to "
            "choose among: either the server returns one sample again and again (a cache, or one "
            "seed for all), or the model is certain of every answer"
        )
        return Ruling("unclear", why, "identical", _vary(run))
    if strict == 0 and flexible > 0:
        why = (
            f"no response has the format that the task asks for, though {flexible:.1%} of the "
            "answers are right when read flexibly: mend the format first, since a round would "
            "teach little else"
        )
        return Ruling("unclear", why, "format", _gap(run, f"--shots {max(4, 2 * run.shots)}"))
    if strict == 0:
        why = (
            f"none of {responses:,} responses is right, so a filter has nothing right to keep: "
            "use easier problems, more examples in the prompt, or a stronger model"
        )
        return Ruling("no", why, "all_wrong", _gap(run, f"--shots {max(4, 2 * run.shots)}"))
    if strict == 1:
        why = "every response is right: there is nothing to gain on these problems"
        return Ruling("no", why, "all_right")
    if improvable(samples.utility_PK, samples.mask_PK)["improvable"].value == 0:
        why = (
            "each problem's responses are all right or all wrong: there is nothing to choose among"
        )
        return Ruling("no", why, "all_or_nothing")
    return _verifier_case(evidence, run)


def _no_answers(run: Circumstances) -> Ruling:
    """Return the case of responses that are no answers: refused, or without any text."""
    # "identical" stays the name where they are all alike: rounds of training stop at it.
    if run.refused > MOSTLY:
        why = f"the server refused to give {run.refused:.0%} of the responses"
        return Ruling(
            "unclear",
            f"{why}, so the numbers say nothing of the model's answers",
            "identical" if run.identical else "refused",
        )
    why = f"{run.empty:.0%} of the responses have no text to grade"
    if run.unclosed > MOSTLY:
        why += ", because they ended while the model was still thinking: it needs more tokens"
    else:
        why += (
            ": if the model reasons, it needs more tokens, or a server that puts the answer into "
            "the content"
        )
    command = _gap(run, f"--max-tokens {4 * run.max_tokens}") if run.max_tokens else ""
    return Ruling("unclear", why, "identical" if run.identical else "empty", command)


def _verifier_case(evidence: Evidence, run: Circumstances) -> Ruling | None:
    """Return why no verifier can filter, or None if one can."""
    names = list(evidence.blind)
    if not names:
        why = "no verifier that could filter has scored the responses"
        if run.is_imported and run.has_answers:
            return Ruling("unclear", f"{why}: add one", "no_verifier", _verify(run, "majority"))
        return Ruling("unclear", why, "no_verifier", _verify(run, "cot-binary"))
    readable = [name for name in names if run.unreadable.get(name, 0.0) < UNREADABLE]
    if not readable:
        worst = ", ".join(f"{name} {run.unreadable[name]:.0%}" for name in names)
        why = (
            f"most checks could not be read ({worst}), so the gap measures their format and not "
            f"the model's judgement; {what_to_try(names, run.cut_at)}"
        )
        other = "mc" if "mc" not in names else "logprob"
        return Ruling("unclear", why, "unreadable", _verify(run, other))
    shares = {}
    for name in readable:
        survivors_P = has_survivor_P(evidence.weights[name], evidence.samples.mask_PK)
        shares[name] = float(survivors_P.mean())
    if max(shares.values()) == 0:
        why = "every verifier rejects every response: nothing is kept to train on"
        return Ruling("no", why, "no_survivors")
    return None


def _choose(
    evidence: Evidence, counts_BP: Floats, names: Sequence[str]
) -> tuple[str, Estimate] | None:
    """Return the verifier with the largest gap, and its cross-fitted gap.

    The gap is judged on problems that had no part in choosing the verifier.
    """
    if not names:
        return None
    gaps = []
    for name in names:
        default = evidence.judges[name].weight.spec
        gap, _ = evidence.swept[name][default]
        gaps.append(gap.above_P)
    gaps_PC = np.stack(gaps, axis=1)
    chosen = crossfit(gaps_PC, gaps_PC, evidence.folds_P, counts_BP, (-1.0, 1.0))
    if chosen.chosen is None:
        return None
    return names[chosen.chosen], chosen.crossfitted


def _decide(
    setting: Setting, gap: Estimate, sourced: SourcedForecast, run: Circumstances
) -> Ruling:
    """Return train, do not train or unclear for an ordinary run."""
    if gap.value is None or gap.low is None or gap.high is None:
        why = f"the gap has no interval ({gap.why}): it needs more problems"
        return Ruling("unclear", why, "few_problems", _plan(run))
    forecast = sourced.forecast
    if forecast is not None and forecast.worth >= SURE:
        why = f"a gain of more than {100 * WORTH:g} points is {forecast.worth:.0%} probable"
        return Ruling("yes", f"{why}, by {sourced.words}", next=_improve(setting, run))
    if forecast is not None and forecast.worth <= 1 - SURE:
        why = f"a gain of more than {100 * WORTH:g} points is only {forecast.worth:.0%} probable"
        return Ruling("no", f"{why}, by {sourced.words}")
    if gap.high <= WORTH and gap.caution:
        # The interval of a gap that one or two problems decide is too narrow to rule a gain out.
        why = (
            f"the gap {gap.caution.partition(';')[0]}, too few to rule a gain in or out: use "
            "problems of which the model solves more, or more of them"
        )
        return Ruling("unclear", why, "gap_unclear", _plan(run))
    if gap.high <= WORTH:
        why = f"what the best verifier keeps is at most {100 * gap.high:.1f} points better than all"
        return Ruling("no", f"{why}, and training seldom gains more than the gap")
    if gap.low <= 0 and sourced.source != "pilot":
        needed = _problems_needed(gap)
        verifier = setting.filter.partition("@")[0]
        why = (
            f"whether {verifier} keeps better responses is not shown, since the gap's interval "
            "includes zero"
        )
        more = ""
        if needed:
            more = f"; about {needed:,} problems would show it, if the gap stays as it is"
        return Ruling("unclear", why + more, "gap_unclear", _plan(run, gap))
    if forecast is None:
        why = (
            f"the verifier keeps better responses, and a round gains at most about the gap "
            f"({100 * gap.value:.1f} points), but how much of it training keeps is not known"
        )
    else:
        why = (
            "the verifier keeps better responses, but a gain of more than "
            f"{100 * WORTH:g} points is {forecast.worth:.0%} probable, by {sourced.words}"
        )
    if sourced.source == "pilot":
        # The width of an interval falls with the square root of the number of problems.
        more = f"--problems {4 * gap.n} --pilot"
        advice = "four times as many problems halve the interval of the pilot"
        return Ruling("unclear", f"{why}; {advice}", next=_gap(run, more))
    return Ruling("unclear", f"{why}; {_pilot_advice(run)}", next=_pilot(run))


def _problems_needed(gap: Estimate) -> int | None:
    """Return how many problems make this gap's interval exclude zero; None for too many.

    A half-width shrinks with the square root of the number of problems.
    """
    assert gap.value is not None and gap.low is not None and gap.high is not None
    half_width = (gap.high - gap.low) / 2
    if gap.value <= 0:
        return None
    needed = int(np.ceil(gap.n * (half_width / gap.value) ** 2))
    return needed if needed <= MOST_PLANNED else None


def _likelihood(evidence: Evidence, counts_BP: Floats) -> dict[str, Any]:
    """Return whether the model's likelihood knows right from wrong: AUROC within problems."""
    samples = evidence.samples
    ratio: Ratio = auroc_within(evidence.logprob_PK, samples.utility_PK, samples.mask_PK)
    estimates = estimate_all({"auroc": ratio}, counts_BP, group_P=evidence.group_P)
    return {"likelihood_auroc": estimates["auroc"].as_json()}


def _format(evidence: Evidence, counts_BP: Floats) -> dict[str, Any]:
    """Return what a change of format alone would bring: flexible minus strict accuracy."""
    samples = evidence.samples
    strict = accuracy(samples.utility_PK, samples.mask_PK)
    flexible = accuracy(samples.flexible_PK, samples.mask_PK)
    ratio = difference(flexible, strict, "flexible minus strict accuracy")
    estimates = estimate_all({"gain": ratio}, counts_BP, group_P=evidence.group_P)
    readings = {"strict": strict.value, "flexible": flexible.value}
    return {"format_gain": estimates["gain"].as_json() | readings}


def _as_json(ruling: Ruling) -> dict[str, Any]:
    words = {"train": ruling.train, "why": ruling.why, "situation": ruling.situation}
    return words | {"next": ruling.next}


# --- the next command ---


def _words(run: Circumstances) -> str:
    return shlex.join(run.command)


def _gap(run: Circumstances, options: str) -> str:
    """Return the command of this run with other options; its sizes stay where none is given."""
    if run.is_imported:
        return ""
    given = shlex.split(options)
    sizes = []
    for name, value in zip(run.sizes[::2], run.sizes[1::2], strict=True):
        if name not in given:
            sizes += [name, value]
    return f"strop gap {shlex.join([*run.command, *sizes, *given])}"


def _vary(run: Circumstances) -> str:
    """Return a command whose responses to a problem may differ."""
    if run.one_a_request:
        model = run.command.index("--model") + 1
        words = [*run.command[:model], run.one_a_request, *run.command[model + 1 :]]
        return f"strop gap {shlex.join([*words, *run.sizes])}"
    if run.temperature is not None and run.temperature < 1:
        return _gap(run, "--temperature 1")
    return ""


def _improve(setting: Setting, run: Circumstances) -> str:
    filter_by = (
        "" if setting.filter == METHOD_FILTER else f" --filter-by {shlex.quote(setting.filter)}"
    )
    # A pilot's samples and checks lie in the run's folder, for the round to use again.
    reuse = ["--pilot", "--out", f"{run.folder}/improve"] if setting.filter in run.pilots else []
    options = "".join(f" {shlex.quote(word)}" for word in (*run.sizes, *reuse))
    return f"strop improve {_words(run)}{filter_by}{options}"


def _verify(run: Circumstances, verifier: str) -> str:
    # Who wrote imported responses may be no model that strop can load.
    judge = " --verify-with MODEL" if run.is_imported and VERIFIERS[verifier].asks_model else ""
    return f"strop verify {shlex.quote(run.folder)} --verifier {verifier}{judge}"


def _plan(run: Circumstances, gap: Estimate | None = None) -> str:
    width = ""
    if gap is not None and gap.value:
        width = f" --half-width {max(abs(gap.value), 0.001):.3f}"
    return f"strop plan {shlex.quote(run.folder)}{width}"


def _pilot(run: Circumstances) -> str:
    if not run.can_train:
        return ""
    options = shlex.join([*(run.resume or run.sizes), "--pilot"])
    return f"strop gap {_words(run)} {options}"


def _pilot_advice(run: Circumstances) -> str:
    if run.can_train:
        return "a pilot fit tells, at about a third of a round's cost (--pilot)"
    return (
        "train one round where the weights can be trained and name it with --past, or make a pilot "
        "on a local folder of the same model (strop gap --model FOLDER --pilot)"
    )
