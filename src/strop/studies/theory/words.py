"""The sentences of the theory study: the paper's statements, and what the experiments show.

They hold no measured numbers; the findings compute those.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import polars as pl

from strop.studies.frame.findings import Finding


class Words(NamedTuple):
    """The title of a finding and two of its three sentences; the third one is computed."""

    title: str
    paper: str
    holds: str

    def finding(
        self, name: str, seen: str, data: pl.DataFrame, figure: Any, table: str = ""
    ) -> Finding:
        """Return the finding with its computed sentence, data, figure and table."""
        return Finding(name, self.title, self.paper, seen, self.holds, data, figure, table)


def _unwrap(text: str) -> str:
    """Join the lines of a text into one."""
    return " ".join(text.split())


INTRODUCTION = _unwrap("""
    Prompts and responses are finite, base models are known exactly, and learners see them through
    an oracle that counts every query. Every run draws its own secrets. Exponents are least-squares
    slopes in logarithms, one for each run, with Student's 95% interval over runs. The cost formula
    is the learner's expected number of queries, derived by hand; it shows how constants and the
    range of the experiment change an exponent. docs/theory.md has the symbols, and what such
    experiments can and cannot say about worst-case theorems.
""")

HELD = (
    "Samples needed: responses drawn until the learner, fit to all of them, is"
    " (eps, delta)-sharpened for the first time."
)

_GREEDY = Words(
    "Proposition 3.1: greedy decoding",
    """If the most likely response is unique and has more than half of the mass, greedy decoding
    returns it; at half or less it can fail.""",
    """Yes, and half is the exact limit: on the split models greedy decoding misses y* at every mass
    up to one half and finds it above. The split models are a worst case: of random models greedy
    misses some at every lower mass, but by no means all.""",
)
_BEST_OF_N = Words(
    "Proposition C.1: best of N",
    """N >= log(1/rho) / pi(y*) samples miss y* with probability at most rho, so the failure
    probability is below exp(-N pi(y*)).""",
    """Yes: the probability is (1 - pi(y*))^N. The bound is a little larger for small pi(y*), and
    much larger for large pi(y*).""",
)
_EPS = Words(
    "Theorems 3.1 and 4.1: samples against eps",
    """Any sample-and-evaluate learner needs m of order C log |Pi| / eps^2, and SFT-Sharpening needs
    no more, up to logarithms and delta.""",
    """The exponent is -2 only because coverage is held fixed while eps falls, which gives the rare
    prompts ever more answers; with M held fixed it is -1. The cost formula stays a little short of
    -2: m grows with C_cov - 1 + Delta, not with C_cov, and Delta shrinks with eps. One
    instance and one learner cannot prove a bound for all of them; they show that the instance of
    the bound costs this learner what the bounds say.""",
)
_REST = Words(
    "Theorem 4.1: samples against C_cov, the class and delta",
    """SFT-Sharpening needs m of order C_cov log(|Pi|/rho) log(1/delta) / (delta eps^2).""",
    """Against C_cov the exponent lies above 1, because the certain prompt has its share in C_cov
    and needs nothing: m is proportional to C_cov - 1 + Delta. d is varied with M held fixed, so
    that log |Pi| = d log M. Few prompts cost more than in proportion, because collecting half of d
    coupons takes d (1/d + ... + 1/(d/2 + 1)) draws. On the hard instance delta costs only
    log(1/delta), through N, and not the theorem's 1/delta: that class has no law that falls
    short of 1 - delta and is still likely. If the class holds such laws, 1/delta is paid, with
    log(1/delta) on top of it through N (last panel). Some runs get there early: a few visits can
    decide by luck, more easily for a larger delta. The measured points therefore lie below the
    formula on the left.""",
)
_ADAPTIVE = Words(
    "Theorem D.1: the adaptive learner",
    """Sampling each prompt until k max_j pi(y_j|x) >= ln(2/delta) needs m of order 1/eps instead of
    1/eps^2.""",
    """The certain prompts stop after ln(2/delta) responses, rounded up, and only the rare ones pay
    for their many answers. The saving depends on how uneven the prompts are: if all are equally
    hard, there is nothing to save.""",
)
_DPO = Words(
    "Theorem 4.2: reward-based DPO against beta, margin and delta",
    """With a margin and concentrability it needs the same eps, a worse delta (1/delta^2), and beta
    of order gamma_m delta eps.""",
    """The eps is the theorem's. Delta costs nothing here, and beta changes what is learned, not how
    fast: rewards have no noise and the class holds pi*_beta, so its squared error is 0, and every
    other member is ruled out as soon as one pair shows y*. The theorem's 1/delta^2 and small beta
    pay for members that err by little on most pairs; this class has none, so the experiment cannot
    test them. The betas of the vertical lines are small enough, by the margin bound, and smaller
    than necessary by some factor; far above them the mass on y* is lost, sooner for a smaller
    margin.""",
)
_SPHERE = Words(
    "Example J.1 and Theorem 4.3: XPO, reward-based DPO and SFT-Sharpening as d grows",
    """2^d responses on the sphere, a constant margin, C_cov = exp(Omega(d)): SFT-Sharpening needs
    exp(d) samples, XPO poly(d).""",
    """SFT-Sharpening is exponential, XPO is not, as the example says. But on a random packing the
    two are separated by regression against imitation, not by exploration: offline reward-based DPO
    is as cheap as XPO, because rewards without noise and d pairs whose differences span R^d
    determine theta*, wherever y* is. The offline learner becomes exponential if base responses
    leave a direction unseen: with y* at the pole and all others on the equator, which is a packing
    too, it must draw y* itself. Then XPO needs both its parts: drawing from its own model, and the
    bonus that moves it away from what the base shows; without the bonus it waits for y* like the
    offline learner. Both stay below log 2 a dimension, because C_cov does, and because few
    responses are drawn at least two at a time. XPO's bonus is taken in the limit of alpha to 0
    (docs/theory.md). It needs so few rounds that a power of d and a slow exponential fit them about
    equally well. That they are polynomial follows from counting: rewards are linear and have no
    noise, so a round either learns a new direction or repeats one, and there are d directions. The
    column of the most responses shows how close the runs come to that. Noisy rewards, which would
    change this, are not in the theorem.""",
)
_TILT = Words(
    "base^(1 + 1/beta) as beta falls",
    """The KL-regularised optimum is base^(1 + 1/beta); with margin gamma_m a beta of
    gamma_m / (2 log(2|Y|/delta)) puts 1 - delta on y*.""",
    """Yes. A base with one response 1 + gamma_m times as likely as each of the others meets the
    bound exactly (the lines coincide); random bases lie below. The theorem's beta is never too
    large.""",
)
_MAX_CUT = Words(
    "Proposition E.1: the most likely sequence solves max-cut",
    """Finding y* of a multi-layer linear softmax model is NP-hard, by reduction from max-cut.""",
    """The reduction is right on every graph that was tried; the log-probability rises strictly with
    the cut. Hardness itself is a statement about all algorithms and growing graphs, which small
    graphs cannot show. The construction is ours, after the statement.""",
)
_UNSHARPENABLE = Words(
    "Proposition E.2: a class that cannot hold its own sharpened model",
    """Two tokens of n symbols: y* has at most half the mass under every model of the class, and
    greedy decoding misses it.""",
    """Yes: no theta gives y* more than 1 / (n - 1), at most half. base^(1 + 1/beta) has nearly all
    of its mass there but is outside the class, so nothing trained within the class is sharpened;
    best-of-N at inference still is. The construction is ours, after the statement.""",
)

WORDS = {
    name: Words(words.title, _unwrap(words.paper), _unwrap(words.holds))
    for name, words in {
        "greedy": _GREEDY,
        "best-of-n": _BEST_OF_N,
        "eps": _EPS,
        "rest": _REST,
        "adaptive": _ADAPTIVE,
        "dpo": _DPO,
        "sphere": _SPHERE,
        "tilt": _TILT,
        "max-cut": _MAX_CUT,
        "unsharpenable": _UNSHARPENABLE,
    }.items()
}
