"""Write the notes of a run: what a reader should know before reading its numbers."""

from __future__ import annotations

from strop.measure import Samples
from strop.records import total_usage
from strop.run.plan import Plan
from strop.run.stored import StoredRun
from strop.run.verification import SCORES
from strop.tasks.base import UNGRADED


def run_notes(stored: StoredRun, samples: Samples) -> list[str]:
    """Return one line per note."""
    notes = [
        *_response_counts(stored, samples),
        *_repeated_questions(stored),
        *_data(stored),
        *_ungraded(stored),
        *_changed_prompts(stored),
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


def _repeated_questions(stored: StoredRun) -> list[str]:
    copies = stored.plan.problems - stored.problems["question"].n_unique()
    if not copies:
        return []
    return [f"{copies} problems repeat the question of another; copies are resampled together"]


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


def _server(stored: StoredRun) -> list[str]:
    usage = stored.usage
    notes = []
    if usage.cost:
        notes.append(f"the server's tokens cost ${usage.cost:,.2f} at the prices given")
    if usage.failures:
        notes.append(f"{usage.failures:,} failed requests to the server were repeated")
    if usage.refused:
        notes.append(
            f"the server refused to answer {usage.refused:,} times; each is graded as text"
        )
    if usage.empty:
        notes.append(
            f"the server gave {usage.empty:,} responses or checks without any text; "
            "if it reasons, use a larger --max-tokens"
        )
    return notes


def _thinking(stored: StoredRun) -> list[str]:
    """Count the removed spans of thinking, in responses and in checks."""
    responses = []
    checks = []
    for stage, usage in stored.usage_by_stage.items():
        same_kind = checks if stage.startswith(SCORES) else responses
        same_kind.append(usage)
    of_responses, of_checks = total_usage(responses), total_usage(checks)
    notes = []
    removed = _responses_and_checks(of_responses.thoughts, of_checks.thoughts)
    if removed:
        notes.append(f"spans of thinking were removed from {removed}")
    unclosed = _responses_and_checks(of_responses.unclosed, of_checks.unclosed)
    if unclosed:
        limit = "limit of tokens" if stored.is_imported else "--max-tokens"
        notes.append(
            f"{unclosed} ended inside a span of thinking, before any answer: counted as "
            f"truncated; draw with a larger {limit}"
        )
    return notes


def _responses_and_checks(responses: int, checks: int) -> str:
    """Return both counts in words, without one that is 0; "" if both are."""
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
