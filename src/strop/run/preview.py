"""Show the prompts and the cost of a run before anything is sent (``--dry-run``)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from strop.engines.base import Engine
from strop.prompts import solution_prompt
from strop.records import Problem, blind
from strop.run.part_size import part_size
from strop.run.plan import Plan
from strop.run.probe import Probe, Speed, shared_share
from strop.run.verification import Verification
from strop.verify import PromptedVerifier, Verifier


@dataclass(frozen=True)
class Preview:
    """The first prompts exactly as sent, and bounds on tokens and work.

    ``generated_at_most`` assumes that every text runs to its limit; so do the other bounds and
    ``seconds_estimated``. ``price_at_most`` is in dollars, 0 where no price is known.
    """

    prompts: dict[str, str]
    prompt_tokens: int
    generated_at_most: int
    flops_at_most: float
    seconds_estimated: float
    price_at_most: float = 0.0


@dataclass(frozen=True)
class _Questions:
    """Prompts of one kind: the number of texts, the tokens of a prompt, the limit of a text.

    ``read_tokens``: the tokens of all prompts that are run through the model.
    """

    texts: int
    prompt_tokens: int
    max_tokens: int
    read_tokens: float


def preview(
    plan: Plan,
    engine: Engine,
    verifiers: Sequence[Verifier],
    draws: int = 1,
    probe: Probe | None = None,
) -> Preview:
    """Render the first problem's prompts, count the tokens of all, and time a probe.

    There are no responses to verify yet, so verification prompts show beginnings of the probe's,
    and count as many tokens as the longest responses have.
    """
    problems = plan.draw_problems()
    shots = plan.draw_shots()
    prompted = [verifier for verifier in verifiers if isinstance(verifier, PromptedVerifier)]
    verifications = [Verification.of(verifier, engine, draws) for verifier in prompted]
    plan = replace(plan, part_problems=part_size(plan, engine, verifications))
    if probe is None:
        most_shown = max((verifier.shown for verifier in prompted), default=1)
        probe = Probe.of(plan, engine, most_shown)

    first = blind(problems[0])
    prompts = {"solution": engine.render(solution_prompt(plan.task, first, shots))}
    checks = []
    for verifier in prompted:
        prompt = verifier.prompt(plan.task, first, probe.responses[: verifier.shown], shots)
        prompts[verifier.name] = engine.render(prompt)
        checks.append(_questions(plan, engine, verifier, problems, probe, draws))

    solutions = [engine.count_tokens(prompt) for prompt in plan.solution_prompts(problems)]
    responses = plan.samples + 1  # and the greedy one
    max_tokens = plan.sampling().max_tokens
    prompt_tokens = engine.reads(plan.samples) * sum(solutions)
    generated = len(solutions) * responses * max_tokens
    flops = 0.0
    for length in solutions:
        flops += engine.forward_flops(0, length)
        flops += responses * engine.response_flops(length, max_tokens)
    seconds = _seconds_of_responses(plan, engine, problems, sum(solutions), probe)
    rows = _rows(plan, engine, plan.samples)
    for check in checks:
        prompt_tokens += check.texts * check.prompt_tokens
        generated += check.texts * check.max_tokens
        reading = engine.forward_flops(0, check.prompt_tokens)
        writing = engine.response_flops(check.prompt_tokens, check.max_tokens)
        flops += check.texts * (reading + writing)
        seconds += probe.speed.reading(check.read_tokens)
        seconds += probe.speed.writing(check.texts, check.max_tokens, rows)
    # A server reads each prompt once more, for the greedy response.
    price = engine.cost(prompt_tokens + sum(solutions), generated)
    return Preview(prompts, prompt_tokens, generated, flops, seconds, price)


def _questions(
    plan: Plan,
    engine: Engine,
    verifier: PromptedVerifier,
    problems: Sequence[Problem],
    probe: Probe,
    draws: int,
) -> _Questions:
    """Return the questions of one verifier, about responses of the greatest length."""
    draws = Verification.of(verifier, engine, draws).draws  # 1 where nothing is sampled
    texts = plan.problems * verifier.questions(plan.samples) * draws
    shots = plan.draw_shots()
    responses = ("",) * verifier.shown
    examples = [
        verifier.prompt(plan.task, blind(problem), responses, shots) for problem in problems[:2]
    ]
    bare = engine.count_tokens(examples[0])
    prompt_tokens = bare + verifier.shown * plan.sampling().max_tokens
    rendered = [engine.render(prompt) for prompt in examples]
    read_tokens = _read_tokens(texts * prompt_tokens, texts, bare, rendered, plan, probe)
    max_tokens = plan.verification_sampling(verifier).max_tokens if verifier.samples_text else 0
    return _Questions(texts, prompt_tokens, max_tokens, read_tokens)


def _seconds_of_responses(
    plan: Plan, engine: Engine, problems: Sequence[Problem], prompt_tokens: int, probe: Probe
) -> float:
    """Return the seconds of the responses and of the greedy ones, which read the prompts again."""
    speed: Speed = probe.speed
    shots = plan.draw_shots()
    prompts = [solution_prompt(plan.task, blind(problem), shots) for problem in problems[:2]]
    rendered = [engine.render(prompt) for prompt in prompts]
    first = engine.count_tokens(prompts[0])
    read_tokens = _read_tokens(prompt_tokens, len(problems), first, rendered, plan, probe)
    length = plan.sampling().max_tokens
    seconds = 2 * speed.reading(read_tokens)
    for samples in (plan.samples, 1):
        texts = len(problems) * samples
        seconds += speed.writing(texts, length, _rows(plan, engine, samples))
    return seconds


def _read_tokens(
    prompt_tokens: int, prompts: int, tokens: int, rendered: list[str], plan: Plan, probe: Probe
) -> float:
    """Return how many of all prompts' tokens are run through the model.

    ``tokens``: those of the first of the ``rendered`` prompts. A part reads once what its prompts
    have in common, if the engine can do that.
    """
    if not probe.shares_prefix:
        return float(prompt_tokens)
    shared = shared_share(rendered) * tokens
    return prompt_tokens - (prompts - min(plan.parts, prompts)) * shared


def _rows(plan: Plan, engine: Engine, samples: int) -> int:
    """Return how many texts are written at once: those of a part, as far as the engine can."""
    in_part = -(-plan.problems // plan.parts) * samples
    return min(in_part, engine.batch_rows)
