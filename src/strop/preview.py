"""What a run would send and cost, before anything is sent: ``--dry-run``."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

from strop.engines.base import Engine
from strop.generate import draw_responses, response_seeds
from strop.loop import Plan
from strop.prompts import solution_prompt
from strop.records import blind
from strop.verify import Verifier

PROBE_PROBLEMS = 4


@dataclass(frozen=True)
class Preview:
    """The first prompts exactly as sent, and bounds on tokens and work. ``generated_at_most`` assumes that every text runs to its limit."""

    prompts: dict[str, str]
    prompt_tokens: int
    generated_at_most: int
    flops_at_most: float
    seconds_estimated: float


def preview(plan: Plan, engine: Engine, verifiers: Sequence[Verifier]) -> Preview:
    """Render the first problem's prompts, count all prompts' tokens, and time a probe of a few problems.

    Responses to verify do not exist yet: their prompts are shown and counted with a drawn response of the probe.
    """
    problems, shots = plan.draw_problems(), plan.draw_shots()
    first, probe = problems[0], [blind(problem) for problem in problems[:PROBE_PROBLEMS]]
    started = time.perf_counter()
    seeds = [response_seeds(plan.seed, "responses", problem, 1) for problem in probe]
    drawn = draw_responses(engine, plan.task, probe, shots, plan.sampling(), seeds)
    seconds = time.perf_counter() - started
    response = drawn.samples[0][0].text
    asked = {v.name: v.prompt(plan.task, blind(first), response, shots) for v in verifiers}
    prompts = {"solution": engine.render(solution_prompt(plan.task, blind(first), shots))}
    prompts |= {name: engine.render(prompt) for name, prompt in asked.items()}
    solution = sum(engine.count_tokens(solution_prompt(plan.task, blind(p), shots)) for p in problems)
    verification = sum(engine.count_tokens(prompt) for prompt in asked.values()) * plan.problems * plan.samples
    sampled_verifiers = sum(v.samples_text for v in verifiers)
    generated = plan.problems * (plan.samples + 1) * plan.sampling().max_tokens
    generated += plan.problems * plan.samples * sampled_verifiers * plan.sampling(for_verification=True).max_tokens
    rate = (drawn.usage.prompt_tokens + drawn.usage.generated_tokens) / seconds
    tokens = solution + verification + generated
    return Preview(prompts, solution + verification, generated, 2.0 * engine.parameters * tokens, tokens / rate)
