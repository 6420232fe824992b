"""Linear softmax models of one prompt, pi_theta(y) proportional to exp(<y, theta>), with |theta| at most a radius (Example J.1)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from strop.theory.base_models import Floats, Indices, softmax
from strop.theory.classes import Pairs

RANK = 1e-9
"""Singular values below this share of the greatest are 0."""
CANDIDATES = 32
STEPS = 300
STILL = 1e-12
"""A step this small, as a share of the radius, ends the ascent."""


@dataclass(frozen=True)
class LinearBall:
    """``feature_YD`` are the responses as vectors."""

    feature_YD: Floats
    radius: float

    def law(self, theta_D: Floats) -> Floats:
        """pi_theta as a table (1, Y)."""
        return softmax(self.feature_YD @ theta_D)[None, :]

    def maximum_likelihood(self, prompt_N: Indices, response_N: Indices) -> Floats:
        """The likelihood is concave in theta: projected gradient ascent with momentum, from the mean response, at most 300 steps."""
        mean_D: Floats = self.feature_YD[response_N].mean(axis=0)
        theta_D = self._cut(self.radius * mean_D / max(float(np.linalg.norm(mean_D)), RANK))
        ahead_D = theta_D
        length = float(
            (np.linalg.norm(self.feature_YD, axis=1) ** 2).max()
        )  # bounds the curvature: a covariance of features
        for step in range(STEPS):
            gradient_D = mean_D - softmax(self.feature_YD @ ahead_D) @ self.feature_YD
            before_D, theta_D = theta_D, self._cut(ahead_D + gradient_D / length)
            ahead_D = theta_D + step / (step + 3) * (theta_D - before_D)
            if float(np.abs(theta_D - before_D).max()) < STILL * self.radius:
                break
        return self.law(theta_D)

    def regress(self, pairs: Pairs, beta: float, alpha: float = 0.0) -> Floats:
        """Least squares of Eq. 4 / 8 in theta: beta <y - y', theta> against (1 + beta) (log base(y) - log base(y')).

        Several theta may have the least error. With alpha = 0 it is the shortest. With any alpha > 0 it is the one with the least
        sum log pi_theta(y'): Algorithm 1 in the limit of a vanishing bonus, which leaves no bias where rewards are free of noise.
        """
        step_ND: Floats = (
            self.feature_YD[pairs.response_N2[:, 0]] - self.feature_YD[pairs.response_N2[:, 1]]
        )
        goal_N = (1 + 1 / beta) * (pairs.logprob_N2[:, 0] - pairs.logprob_N2[:, 1])
        size_R, direction_RD = (
            np.asarray(part) for part in np.linalg.svd(np.linalg.qr(step_ND, mode="r"))[1:]
        )
        rank = int((size_R > RANK * max(1.0, float(size_R[0]))).sum())
        shortest_D = self._cut(np.asarray(np.linalg.lstsq(step_ND, goal_N, rcond=RANK)[0]))
        free_RD = direction_RD[rank:]
        if not alpha or not len(free_RD):
            return self.law(shortest_D)
        return self.law(
            self._optimistic(
                shortest_D, free_RD, self.feature_YD[pairs.response_N2[:, 1]].mean(axis=0)
            )
        )

    def _optimistic(self, shortest_D: Floats, free_RD: Floats, mean_D: Floats) -> Floats:
        """The theta = shortest + free part in the ball that makes log Z(theta) - <mean y', theta> greatest.

        That is convex, so its maximum lies on the sphere. log Z lies between max_y <y, theta> and that plus log |Y|; for each y the best
        theta for <y - mean y', theta> has a closed form, and the best of these by the exact objective is taken.
        """
        reach = float(np.sqrt(max(0.0, self.radius**2 - float(shortest_D @ shortest_D))))
        toward_YR = (self.feature_YD - mean_D) @ free_RD.T
        length_Y = np.linalg.norm(toward_YR, axis=1)
        bound_Y = (self.feature_YD - mean_D) @ shortest_D + reach * length_Y
        few_C = np.argsort(-bound_Y, kind="stable")[:CANDIDATES]
        theta_CD = (
            shortest_D
            + reach * (toward_YR[few_C] / np.maximum(length_Y[few_C], RANK)[:, None]) @ free_RD
        )
        logit_CY = theta_CD @ self.feature_YD.T
        top_C = logit_CY.max(axis=1)
        value_C = top_C + np.log(np.exp(logit_CY - top_C[:, None]).sum(axis=1)) - theta_CD @ mean_D
        return np.asarray(theta_CD[int(value_C.argmax())])

    def _cut(self, theta_D: Floats) -> Floats:
        """The nearest point of the ball."""
        return theta_D * min(1.0, self.radius / max(float(np.linalg.norm(theta_D)), RANK))
