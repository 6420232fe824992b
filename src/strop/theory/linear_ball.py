"""Linear softmax models of one prompt with a bounded parameter (Example J.1).

pi_theta(y) is proportional to exp(<y, theta>), with |theta| at most a radius. Axes beside those of
the package: R directions of the singular value decomposition, C candidates.
"""

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
    """The class of all theta in a ball. ``feature_YD`` are the responses as vectors."""

    feature_YD: Floats
    radius: float

    def law(self, theta_D: Floats) -> Floats:
        """Return pi_theta as a table (1, Y)."""
        return softmax(self.feature_YD @ theta_D)[None, :]

    def maximum_likelihood(self, prompt_N: Indices, response_N: Indices) -> Floats:
        """Return the law under which these responses are likeliest.

        The likelihood is concave in theta: projected gradient ascent with momentum (Nesterov), from
        the mean response, at most 300 steps.
        """
        mean_D: Floats = self.feature_YD[response_N].mean(axis=0)
        mean_norm = max(float(np.linalg.norm(mean_D)), RANK)
        theta_D = self._project(self.radius * mean_D / mean_norm)
        ahead_D = theta_D
        # The curvature is a covariance of features, so the largest squared norm bounds it.
        curvature = float((np.linalg.norm(self.feature_YD, axis=1) ** 2).max())
        for step in range(STEPS):
            gradient_D = mean_D - softmax(self.feature_YD @ ahead_D) @ self.feature_YD
            before_D = theta_D
            theta_D = self._project(ahead_D + gradient_D / curvature)
            ahead_D = theta_D + step / (step + 3) * (theta_D - before_D)
            if float(np.abs(theta_D - before_D).max()) < STILL * self.radius:
                break
        return self.law(theta_D)

    def regress(self, pairs: Pairs, beta: float, alpha: float = 0.0) -> Floats:
        """Return the law with the least squared error of Eq. 4 / 8.

        In theta this is least squares of beta <y - y', theta> against
        (1 + beta) (log base(y) - log base(y')). Several theta may have the least error. With
        alpha = 0 it is the shortest. With any alpha > 0 it is the one with the least
        sum log pi_theta(y'): Algorithm 1 in the limit of a vanishing bonus, which leaves no bias
        where rewards are free of noise.
        """
        first_ND: Floats = self.feature_YD[pairs.response_N2[:, 0]]
        second_ND: Floats = self.feature_YD[pairs.response_N2[:, 1]]
        step_ND = first_ND - second_ND
        logprob_N2 = pairs.logprob_N2
        goal_N = (1 + 1 / beta) * (logprob_N2[:, 0] - logprob_N2[:, 1])
        shortest_D = self._project(np.asarray(np.linalg.lstsq(step_ND, goal_N, rcond=RANK)[0]))
        # The triangular factor has the singular values and directions of all pairs, at the size
        # of the features. Directions beyond the rank leave the error unchanged.
        triangle_RD = np.linalg.qr(step_ND, mode="r")
        _, size_R, direction_RD = np.linalg.svd(triangle_RD)
        rank = int((size_R > RANK * max(1.0, float(size_R[0]))).sum())
        free_RD = np.asarray(direction_RD)[rank:]
        if not alpha or not len(free_RD):
            return self.law(shortest_D)
        return self.law(self._optimistic(shortest_D, free_RD, second_ND.mean(axis=0)))

    def _optimistic(self, shortest_D: Floats, free_RD: Floats, mean_D: Floats) -> Floats:
        """Return the theta in the ball that makes log Z(theta) - <mean y', theta> greatest.

        theta = shortest + free part. The objective is convex, so its maximum lies on the sphere.
        log Z lies between max_y <y, theta> and that plus log |Y|. For each y the best theta for
        <y - mean y', theta> has a closed form, and the best of these by the exact objective is
        taken.
        """
        reach = float(np.sqrt(max(0.0, self.radius**2 - float(shortest_D @ shortest_D))))
        toward_YR = (self.feature_YD - mean_D) @ free_RD.T
        length_Y = np.linalg.norm(toward_YR, axis=1)
        bound_Y = (self.feature_YD - mean_D) @ shortest_D + reach * length_Y
        # The exact objective is computed for the most promising y only.
        few_C = np.argsort(-bound_Y, kind="stable")[:CANDIDATES]
        direction_CR = toward_YR[few_C] / np.maximum(length_Y[few_C], RANK)[:, None]
        theta_CD = shortest_D + reach * direction_CR @ free_RD
        logit_CY = theta_CD @ self.feature_YD.T
        top_C = logit_CY.max(axis=1)
        log_z_C = top_C + np.log(np.exp(logit_CY - top_C[:, None]).sum(axis=1))
        value_C = log_z_C - theta_CD @ mean_D
        return np.asarray(theta_CD[int(value_C.argmax())])

    def _project(self, theta_D: Floats) -> Floats:
        """Return the nearest point of the ball."""
        return theta_D * min(1.0, self.radius / max(float(np.linalg.norm(theta_D)), RANK))
