"""Write the notes of a run: what a reader should know before reading its numbers."""

from __future__ import annotations

from strop.measure import Samples
from strop.run.plan import Plan
from strop.run.stored import StoredRun
from strop.run.verification import SCORES
from strop.tasks.base import UNGRADED
from strop.verify.base import LOW_MASS


def run_notes(stored: StoredRun, samples: Samples) -> list[str]:
    """Return one line per note."""
    notes = [
        *_identical(stored),
        *_response_counts(stored, samples),
        *_repeated_questions(stored),
        *_data(stored),
        *_ungraded(stored),
        *_changed_prompts(stored),
        *_option_mass(stored),
        *_unknown_logprobs(stored),
        *_server(stored),
        *_thinking(stored),
    ]
    if stored.is_imported:
        return [*notes, "the temperature of the imported responses is not known"]
    return notes + _sampling_of_self_rewards(stored)


def _response_counts(stored: StoredRun, samples: Samples) -> list[str]:
    counts_P = samples.mask_PK.sum(axis=1)
    fewest, most = counts_P.min(), counts_P.max()
    if fewest == most or not stored.is_fixed:
        return []
    return [
        f"problems have {fewest} to {most} responses: gaps mix several K, curves end at {fewest}"
    ]


def _identical(stored: StoredRun) -> list[str]:
    """Say that there is nothing to choose among, where greedy decoding does not explain it."""
    is_greedy = stored.plan.temperature == 0 and not stored.is_imported
    # Responses without text are counted in a note of their own.
    if is_greedy or not stored.all_identical or stored.empty == stored.responses.height:
        return []
    drawn = "" if stored.is_imported else f" at temperature {stored.plan.temperature:g}"
    return [
        f"all responses to each problem are the same text{drawn}: there is nothing to choose among"
    ]


def _repeated_questions(stored: StoredRun) -> list[str]:
    copies = stored.plan.problems - stored.problems["question"].n_unique()
    if not copies:
        return []
    problems = "1 problem repeats" if copies == 1 else f"{copies} problems repeat"
    return [f"{problems} the question of another; copies are resampled together"]


def _data(stored: StoredRun) -> list[str]:
    notes = []
    left_out = stored.record["asked"].get("data", {}).get("left_out", {})
    for reason, count in left_out.items():
        rows = "1 row was" if count == 1 else f"{count:,} rows were"
        notes.append(f"{rows} left out of the data for {reason}")
    all_problems = stored.record.get("all_problems_of_data")
    if all_problems:
        notes.append(
            f"the data have {all_problems} problems, all of which were taken; "
            f"the default is {Plan.problems}"
        )
    return notes


def _ungraded(stored: StoredRun) -> list[str]:
    ungraded = stored.responses["found_by"].str.starts_with(UNGRADED).sum()
    if not ungraded:
        return []
    return [
        f"{ungraded} responses could not be graded within the grader's bounds and count as wrong"
    ]


def _changed_prompts(stored: StoredRun) -> list[str]:
    notes = []
    for name, verifier in stored.verifiers.items():
        wording = verifier.get("settings", {}).get("wording")
        if wording:
            notes.append(f"{name} asks in words of its own: {', '.join(wording)}")
    return notes


def _option_mass(stored: StoredRun) -> list[str]:
    """Say how much of the model's probability the options hold: it tells what the scores mean."""
    notes = []
    for name in stored.verifiers:
        usage = stored.usage_by_stage[SCORES + name]
        if not usage.options:
            continue
        mean = usage.option_mass / usage.options
        notes.append(
            f"{name}: its options together hold {mean:.1%} of the model's probability on average, "
            f"and less than {LOW_MASS:.0%} in {usage.low_mass:,} of {usage.options:,} questions"
        )
    return notes


def _unknown_logprobs(stored: StoredRun) -> list[str]:
    """Count the log-probabilities that the model's server did not give."""
    responses = stored.responses
    unknown = int(responses["logprob"].is_nan().sum())
    if stored.is_imported or not unknown:
        return []
    return [
        f"the log-probability of {unknown:,} of {responses.height:,} responses is not known; "
        "what needs it leaves them out"
    ]


def _server(stored: StoredRun) -> list[str]:
    usage = stored.usage
    notes = []
    if usage.cost:
        notes.append(f"the server's tokens cost ${usage.cost:,.2f} at the prices given")
    if usage.failures:
        notes.append(f"{usage.failures:,} failed requests to the server were repeated")
    refused = _responses_and_checks(stored, "refused")
    if refused:
        notes.append(f"the server refused to give {refused}; the refusal is graded as the text")
    empty = _responses_and_checks(stored, "empty")
    if empty:
        notes.append(
            f"the server gave {empty} without any text, graded as wrong or unreadable; "
            "if it reasons, use a larger --max-tokens"
        )
    return notes


def _thinking(stored: StoredRun) -> list[str]:
    notes = []
    removed = _responses_and_checks(stored, "thoughts")
    if removed:
        notes.append(f"spans of thinking were removed from {removed}")
    unclosed = _responses_and_checks(stored, "unclosed")
    if unclosed:
        limit = "limit of tokens" if stored.is_imported else "--max-tokens"
        notes.append(
            f"{unclosed} ended inside a span of thinking, before any answer: counted as "
            f"truncated; draw with a larger {limit}"
        )
    return notes


def _responses_and_checks(stored: StoredRun, field: str) -> str:
    """Return a field of the usage in words: "4 responses and 1 check"; "" if it is 0."""
    responses = 0
    checks = 0
    for stage, usage in stored.usage_by_stage.items():
        if stage.startswith(SCORES):
            checks += getattr(usage, field)
        else:
            responses += getattr(usage, field)
    counts = []
    for count, name in ((responses, "response"), (checks, "check")):
        if count:
            counts.append(f"{count:,} {name}{'s' if count > 1 else ''}")
    return " and ".join(counts)


def _sampling_of_self_rewards(stored: StoredRun) -> list[str]:
    """Warn where log-probabilities rank responses that were drawn from another distribution."""
    rewards = [
        name
        for name, verifier in stored.verifiers.items()
        if verifier["verifier"].startswith("logprob")
    ]
    plan = stored.plan
    if not rewards or (plan.temperature, plan.top_p) == (1, 1):
        return []
    return [
        f"{', '.join(rewards)}: drawn at temperature {plan.temperature:g}, top-p {plan.top_p:g}; "
        "sharpening's best-of-N is defined at temperature 1, top-p 1"
    ]
