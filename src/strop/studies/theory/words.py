"""The theory study's prose: what the paper states, and what the experiment says of it. Numbers are never here; findings compute them."""

from __future__ import annotations

from typing import NamedTuple


class Words(NamedTuple):
    """``paper`` and ``holds`` are two of a finding's three sentences; the third is computed."""

    title: str
    paper: str
    holds: str


INTRODUCTION = """Finite prompts and responses, base models known exactly, and learners that see them through an oracle that counts
every query. Every run draws its own secrets; exponents are least-squares slopes in logarithms, one a run, with Student's 95% interval
over runs. The cost formula is the learner's expected number of queries, derived by hand; it tells what constants and the range do to an
exponent. docs/theory.md has the symbols and what such experiments can and cannot say about worst-case theorems."""

HELD = "Samples needed: responses drawn until the learner, fit to all of them, is (eps, delta)-sharpened for the first time."

_WORDS = {
    "greedy": (
        "Proposition 3.1: greedy decoding",
        """Where the most likely response is unique and has more than half of the mass, greedy decoding returns it; at half or less it can
        fail.""",
        """Yes, and half is the edge: the split models miss y* at every mass up to one half and find it beyond. It is a worst case: of
        random models greedy misses some at every lower mass, but by no means all.""",
    ),
    "best-of-n": (
        "Proposition C.1: best of N",
        "N >= log(1/rho) / pi(y*) samples miss y* with probability at most rho, so the failure probability is below exp(-N pi(y*)).",
        """Yes: the probability is (1 - pi(y*))^N, which the bound overstates, little for small pi(y*) and much for great.""",
    ),
    "eps": (
        "Theorems 3.1 and 4.1: samples against eps",
        """Any sample-and-evaluate learner needs m of order C log |Pi| / eps^2, and SFT-Sharpening does with that, up to logarithms and
        delta.""",
        """The exponent is -2 only because coverage is held while eps falls, which gives the rare prompts ever more answers; with M held
        it is -1. The cost formula stays a little short of -2: N pays for C_cov - 1 + Delta, not for C_cov, and Delta shrinks with eps.
        One instance and one learner prove no bound on all of them; they show that the bound's instance costs this learner what the bounds
        say.""",
    ),
    "rest": (
        "Theorem 4.1: samples against C_cov, the class and delta",
        "SFT-Sharpening needs m of order C_cov log(|Pi|/rho) log(1/delta) / (delta eps^2).",
        """Against C_cov the exponent lies above 1, since the certain prompt has its share in C_cov and needs nothing: m is proportional
        to C_cov - 1 + Delta. d is varied with M held, so that log |Pi| = d log M; few prompts cost more than in proportion, since half of
        d coupons take d (1/d + ... + 1/(d/2 + 1)) draws. On the hard instance delta costs log(1/delta) alone, through N, and not the
        theorem's 1/delta: no law of that class is short of 1 - delta and likely all the same. Where the class holds such laws 1/delta is
        paid, with log(1/delta) on top of it through N (last panel). Some runs get there early: a few visits can decide by luck, the more
        easily the greater delta; hence the measured points lie below the formula on the left.""",
    ),
    "adaptive": (
        "Theorem D.1: the adaptive learner",
        "Sampling each prompt until k max_j pi(y_j|x) >= ln(2/delta) needs m of order 1/eps instead of 1/eps^2.",
        """The certain prompts stop after ln(2/delta) responses, rounded up, and only the rare ones pay for their many answers. What is
        saved depends on how uneven the prompts are: where all are equally hard there is nothing to save.""",
    ),
    "dpo": (
        "Theorem 4.2: reward-based DPO against beta, margin and delta",
        "With a margin and concentrability it needs the same eps, a worse delta (1/delta^2), and beta of order gamma_m delta eps.",
        """The eps is the theorem's. Delta costs nothing here, and beta changes what is learned, not how fast: rewards are free of noise
        and the class holds pi*_beta, so its squared error is 0, and every other member is ruled out as soon as one pair shows y*. The
        theorem's 1/delta^2 and small beta pay for members that err by little on most pairs; this class has none, so the experiment cannot
        speak of them. The vertical betas are small enough, by the margin bound, and needlessly small by some factor; far above them the
        mass on y* is lost, the sooner the smaller the margin.""",
    ),
    "sphere": (
        "Example J.1 and Theorem 4.3: XPO, reward-based DPO and SFT-Sharpening as d grows",
        """2^d responses on the sphere, a constant margin, C_cov = exp(Omega(d)): SFT-Sharpening needs exp(d) samples, XPO poly(d).""",
        """SFT-Sharpening is exponential, XPO is not, as the example says. But what separates these two on a random packing is regression
        against imitation, not exploration: offline reward-based DPO is as cheap, since rewards free of noise and d pairs whose
        differences span R^d determine theta*, wherever y* is. The offline learner becomes exponential where base responses leave a
        direction unseen: with y* at the pole and all others on the equator, which is a packing too, it must draw y* itself. Then XPO
        needs both its parts: drawing from its own model, and the bonus that moves it off what the base shows; without the bonus it waits
        for y* like the offline learner. Both stay below log 2 a dimension, since C_cov does, and since few responses are drawn two at a
        time at the least. XPO's bonus is taken in the limit of alpha to 0 (docs/theory.md). Its rounds are so few that a power of d and a
        slow exponential fit them about equally well; that they are polynomial follows from counting: rewards are linear and free of
        noise, so a round either learns a new direction or repeats one, and there are d of them. The column of the most responses shows
        how near that comes. Noisy rewards, which would change this, are not in the theorem.""",
    ),
    "tilt": (
        "base^(1 + 1/beta) as beta falls",
        """The KL-regularised optimum is base^(1 + 1/beta); with margin gamma_m a beta of gamma_m / (2 log(2|Y|/delta)) puts 1 - delta on
        y*.""",
        """Yes. One response 1 + gamma_m times as likely as each of the others meets the bound exactly (the lines coincide); random bases
        lie below. The theorem's beta is never too great.""",
    ),
    "max-cut": (
        "Proposition E.1: the most likely sequence solves max-cut",
        "Finding y* of a multi-layer linear softmax model is NP-hard, by reduction from max-cut.",
        """The reduction is right on every graph that was tried; the log-probability rises strictly with the cut. Hardness itself is a
        statement about all algorithms and growing graphs, which small graphs cannot show. The construction is ours, after the
        statement.""",
    ),
    "unsharpenable": (
        "Proposition E.2: a class that cannot hold its own sharpened model",
        "Two tokens of n symbols: y* has at most half the mass under every model of the class, and greedy decoding misses it.",
        """Yes: no theta gives y* more than 1 / (n - 1), at most half. base^(1 + 1/beta) has nearly all of its mass there but is outside
        the class, so nothing trained within the class is sharpened; best-of-N at inference still is. The construction is ours, after the
        statement.""",
    ),
}


WORDS = {name: Words(*(" ".join(text.split()) for text in texts)) for name, texts in _WORDS.items()}
