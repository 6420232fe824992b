"""One round, written out by hand, with one line per arrow of the spine.

Run it with  python examples/1_by_hand.py
"""

from __future__ import annotations

import numpy as np

from strop.engines import load_engine
from strop.generate import draw_responses, response_seeds
from strop.measure import accuracy, estimate, gap, resample_counts
from strop.records import Sampling, blind
from strop.seeds import derive
from strop.tasks import Signs
from strop.verify import Candidate, ChainOfThoughtBinary, VerificationContext
from strop.weigh import Threshold

task = Signs()
engine = load_engine("ladder/40k")
K = 16
problems = task.problems("test", 50, seed=0)

# problems --engine.sample--> responses. The engine sees no reference: blind() removes it.
seeds = [response_seeds(0, "responses", problem, K) for problem in problems]
samples = draw_responses(
    engine, task, [blind(p) for p in problems], [], Sampling(0.7, 0.9, task.max_tokens), seeds
).samples

# responses --verifier--> scores. The verifier sees no reference either.
context = VerificationContext(
    task, engine, shots=[], sampling=Sampling(0.7, 0.9, task.verification_max_tokens)
)
candidates = [
    Candidate(blind(problem), sample.text, derive("verify", problem.id, k))
    for problem, row in zip(problems, samples, strict=True)
    for k, sample in enumerate(row)
]
scores = ChainOfThoughtBinary().score(candidates, context).scores

# scores --weight--> weights. (utility, weights) --measure--> estimates.
score_PK = np.array([score.score for score in scores]).reshape(len(problems), K)
utility_PK = np.array(
    [
        [task.grade(s.text, p).utility_strict for s in row]
        for p, row in zip(problems, samples, strict=True)
    ]
)
mask_PK = np.ones_like(score_PK, bool)
weight_PK = Threshold(0.5)(score_PK, mask_PK)
counts_BP = resample_counts(len(problems), seed=0)
print(f"accuracy {estimate(accuracy(utility_PK, mask_PK), counts_BP):.1%}")
print(f"gap      {estimate(gap(utility_PK, weight_PK, mask_PK), counts_BP):+.1%}")
