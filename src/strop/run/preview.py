"""Show the prompts and the cost of a run before anything is sent (``--dry-run``)."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

from strop.engines.base import Engine
from strop.generate import draw_responses, response_seeds
from strop.prompts import solution_prompt
from strop.records import blind
from strop.run.plan import Plan
from strop.run.verification import Verification
from strop.verify import PromptedVerifier, Verifier

PROBE_PROBLEMS = 4


@dataclass(frozen=True)
class Probe:
    """A few drawn responses, which show their form and the engine's speed.

    ``responses`` are those to the first problem; ``tokens`` and ``seconds`` are those of all.
    """

    responses: tuple[str, ...]
    tokens: int
    seconds: float

    @classmethod
    def of(cls, plan: Plan, engine: Engine, samples: int) -> Probe:
        """Draw ``samples`` responses to each of a few problems."""
        problems = [blind(problem) for problem in plan.draw_problems()[:PROBE_PROBLEMS]]
        seeds = [response_seeds(plan.seed, "responses", problem, samples) for problem in problems]
        started = time.perf_counter()
        drawn = draw_responses(
            engine, plan.task, problems, plan.draw_shots(), plan.sampling(), seeds
        )
        tokens = drawn.usage.prompt_tokens + drawn.usage.generated_tokens
        texts = tuple(sample.text for sample in drawn.samples[0])
        return cls(texts, tokens, time.perf_counter() - started)


@dataclass(frozen=True)
class Preview:
    """The first prompts exactly as sent, and bounds on tokens and work.

    ``generated_at_most`` assumes that every text runs to its limit. ``price_at_most`` is in
    dollars, 0 where no price is known.
    """

    prompts: dict[str, str]
    prompt_tokens: int
    generated_at_most: int
    flops_at_most: float
    seconds_estimated: float
    price_at_most: float = 0.0


@dataclass(frozen=True)
class _Questions:
    """All questions of one verifier: their number, prompt tokens and longest answer."""

    count: int
    prompt_tokens: int
    max_tokens: int


def preview(
    plan: Plan,
    engine: Engine,
    verifiers: Sequence[Verifier],
    draws: int = 1,
    probe: Probe | None = None,
) -> Preview:
    """Render the first problem's prompts, count the tokens of all, and time a probe.

    There are no responses to verify yet, so verification prompts show those of the probe.
    """
    problems = plan.draw_problems()
    shots = plan.draw_shots()
    prompted = [verifier for verifier in verifiers if isinstance(verifier, PromptedVerifier)]
    if probe is None:
        most_shown = max((verifier.shown for verifier in prompted), default=1)
        probe = Probe.of(plan, engine, most_shown)

    first = blind(problems[0])
    prompts = {"solution": engine.render(solution_prompt(plan.task, first, shots))}
    checks = []
    for verifier in prompted:
        prompt = verifier.prompt(plan.task, first, probe.responses[: verifier.shown], shots)
        prompts[verifier.name] = engine.render(prompt)
        checks.append(_questions(plan, engine, verifier, engine.count_tokens(prompt), draws))

    solutions = [
        engine.count_tokens(solution_prompt(plan.task, blind(problem), shots))
        for problem in problems
    ]
    responses = plan.samples + 1  # and the greedy one
    max_tokens = plan.sampling().max_tokens
    prompt_tokens = engine.reads(plan.samples) * sum(solutions)
    generated = len(solutions) * responses * max_tokens
    flops = 0.0
    for length in solutions:
        flops += engine.forward_flops(0, length)
        flops += responses * engine.response_flops(length, max_tokens)
    for check in checks:
        prompt_tokens += check.count * check.prompt_tokens
        generated += check.count * check.max_tokens
        reading = engine.forward_flops(0, check.prompt_tokens)
        writing = engine.response_flops(check.prompt_tokens, check.max_tokens)
        flops += check.count * (reading + writing)
    # A server reads each prompt once more, for the greedy response.
    price = engine.cost(prompt_tokens + sum(solutions), generated)
    seconds = (prompt_tokens + generated) * probe.seconds / probe.tokens
    return Preview(prompts, prompt_tokens, generated, flops, seconds, price)


def _questions(
    plan: Plan, engine: Engine, verifier: PromptedVerifier, prompt_tokens: int, draws: int
) -> _Questions:
    draws = Verification.of(verifier, engine, draws).draws  # 1 where nothing is sampled
    count = plan.problems * verifier.questions(plan.samples) * draws
    max_tokens = plan.verification_sampling(verifier).max_tokens if verifier.samples_text else 0
    return _Questions(count, prompt_tokens, max_tokens)
