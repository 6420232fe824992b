"""What a run would send and cost, before anything is sent: ``--dry-run``."""

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
    """A few responses, drawn to see what they look like and how fast they come: those to the first problem, tokens, seconds."""

    responses: tuple[str, ...]
    tokens: int
    seconds: float

    @classmethod
    def of(cls, plan: Plan, engine: Engine, samples: int) -> Probe:
        """``samples`` responses to each of a few problems."""
        problems = [blind(problem) for problem in plan.draw_problems()[:PROBE_PROBLEMS]]
        seeds = [response_seeds(plan.seed, "responses", problem, samples) for problem in problems]
        started = time.perf_counter()
        drawn = draw_responses(
            engine, plan.task, problems, plan.draw_shots(), plan.sampling(), seeds
        )
        tokens = drawn.usage.prompt_tokens + drawn.usage.generated_tokens
        return cls(
            tuple(sample.text for sample in drawn.samples[0]), tokens, time.perf_counter() - started
        )


@dataclass(frozen=True)
class Preview:
    """The first prompts exactly as sent, and bounds on tokens and work. ``generated_at_most`` assumes that every text runs to its limit.

    ``price_at_most`` is in dollars, 0 where no price is known.
    """

    prompts: dict[str, str]
    prompt_tokens: int
    generated_at_most: int
    flops_at_most: float
    seconds_estimated: float
    price_at_most: float = 0.0


def preview(
    plan: Plan,
    engine: Engine,
    verifiers: Sequence[Verifier],
    draws: int = 1,
    probe: Probe | None = None,
) -> Preview:
    """Render the first problem's prompts, count all prompts' tokens, and time a probe of a few problems.

    Responses to verify do not exist yet: their prompts are shown and counted with drawn responses of the probe.
    """
    problems, shots = plan.draw_problems(), plan.draw_shots()
    first, prompted = (
        problems[0],
        [verifier for verifier in verifiers if isinstance(verifier, PromptedVerifier)],
    )
    probe = probe or Probe.of(
        plan, engine, max((verifier.shown for verifier in prompted), default=1)
    )
    asked = {
        v: v.prompt(plan.task, blind(first), probe.responses[: v.shown], shots) for v in prompted
    }
    prompts = {"solution": engine.render(solution_prompt(plan.task, blind(first), shots))}
    prompts |= {verifier.name: engine.render(prompt) for verifier, prompt in asked.items()}
    questions = {
        v: plan.problems * v.questions(plan.samples) * Verification.of(v, engine, draws).draws
        for v in prompted
    }
    solutions = [
        engine.count_tokens(solution_prompt(plan.task, blind(problem), shots))
        for problem in problems
    ]
    checks = {verifier: engine.count_tokens(prompt) for verifier, prompt in asked.items()}
    drawn_each, written = plan.samples + 1, plan.sampling().max_tokens
    checked = {
        v: plan.verification_sampling(v).max_tokens if v.samples_text else 0 for v in prompted
    }
    reads = engine.reads(plan.samples)
    prompt_tokens = reads * sum(solutions) + sum(checks[v] * questions[v] for v in prompted)
    generated = len(solutions) * drawn_each * written + sum(
        checked[v] * questions[v] for v in prompted
    )
    flops = sum(
        engine.forward_flops(0, length) + drawn_each * engine.response_flops(length, written)
        for length in solutions
    )
    flops += sum(
        questions[v]
        * (engine.forward_flops(0, checks[v]) + engine.response_flops(checks[v], checked[v]))
        for v in prompted
    )
    price = engine.cost(
        prompt_tokens + sum(solutions), generated
    )  # a server reads each prompt once more for the greedy response
    return Preview(
        prompts,
        prompt_tokens,
        generated,
        flops,
        (prompt_tokens + generated) * probe.seconds / probe.tokens,
        price,
    )
