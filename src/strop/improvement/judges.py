"""The verifiers of a filter, when another model than the generator is asked."""

from __future__ import annotations

from strop.run.verification import stage_name
from strop.verify import VERIFIERS, Likelihood, LogProbability
from strop.weigh import Product


def as_asked_of(product: Product, judge: str, generator: str) -> Product | None:
    """Return the same weights on verifiers that the model ``judge`` can answer.

    ``logprob`` reads the log-probabilities that were stored while sampling. They are the
    generator's, so another model is asked for ``likelihood`` instead. None if some verifier asks no
    model at all and the judge is not the generator.
    """
    if judge == generator:
        return product
    factors = []
    for name, weight in product.factors:
        asked_name = Likelihood.name if name == LogProbability.name else name
        if not VERIFIERS[asked_name].asks_model:
            return None
        factors.append((asked_name, weight))
    return Product(tuple(factors))


def as_stage_names(product: Product, judge: str, generator: str) -> Product | None:
    """Return ``as_asked_of`` with the names under which a run stores the scores."""
    asked = as_asked_of(product, judge, generator)
    if asked is None:
        return None
    factors = [(stage_name(name, judge, generator), weight) for name, weight in asked.factors]
    return Product(tuple(factors))
