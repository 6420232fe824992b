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
    """The class of all theta in a ball. ``feature_YD`` are the responses as vectors.

    It has the two fits that learners need (maximum likelihood and XPO's regression), like the
    finite classes; prompts are ignored, since there is one.
    """

    feature_YD: Floats
    radius: float

    def law(self, theta_D: Floats) -> Floats:
        """Return pi_theta as a table (1, Y)."""
        return softmax(self.feature_YD @ theta_D)[None, :]

    def maximum_likelihood(self, prompt_N: Indices, response_N: Indices) -> Floats:
        """Return the law under which these responses are likeliest.

        The likelihood is concave in theta: projected gradient ascent with momentum (Nesterov), from
        the mean response, at most 300 steps. The mean log-likelihood <mean y, theta> - log Z(theta)
        has the gradient mean y - E_theta[y].
        """
        mean_D: Floats = self.feature_YD[response_N].mean(axis=0)
        mean_norm = max(float(np.linalg.norm(mean_D)), RANK)
        theta_D = self._project(self.radius * mean_D / mean_norm)
        ahead_D = theta_D
        # The curvature is a covariance of features, so the largest squared norm bounds it.
        norm_Y = np.linalg.norm(self.feature_YD, axis=1)
        curvature = float((norm_Y**2).max())
        for step in range(STEPS):
            law_Y = softmax(self.feature_YD @ ahead_D)
            expected_D = law_Y @ self.feature_YD
            gradient_D = mean_D - expected_D
            before_D = theta_D
            theta_D = self._project(ahead_D + gradient_D / curvature)
            moved_D = theta_D - before_D
            momentum = step / (step + 3)
            ahead_D = theta_D + momentum * moved_D
            if float(np.abs(moved_D).max()) < STILL * self.radius:
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
        difference_N = logprob_N2[:, 0] - logprob_N2[:, 1]
        # Both sides divided by beta.
        goal_N = (1 + 1 / beta) * difference_N
        # lstsq returns the shortest of the solutions: it lies in the ball if any of them does.
        solution_D, *_ = np.linalg.lstsq(step_ND, goal_N, rcond=RANK)
        shortest_D = self._project(np.asarray(solution_D))
        # The triangular factor has the singular values and directions of all pairs, at the size
        # of the features. Directions beyond the rank leave the error unchanged.
        triangle_RD = np.linalg.qr(step_ND, mode="r")
        _, size_R, direction_RD = np.linalg.svd(triangle_RD)
        smallest = RANK * max(1.0, float(size_R[0]))
        rank = int((size_R > smallest).sum())
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
        # The free part is orthogonal to the shortest theta, so its length is the leg of a right
        # triangle whose hypotenuse is the radius.
        square = self.radius**2 - float(shortest_D @ shortest_D)
        reach = float(np.sqrt(max(0.0, square)))
        # The best free part for <y - mean y', theta> points along the projection of y - mean y'.
        centred_YD = self.feature_YD - mean_D
        toward_YR = centred_YD @ free_RD.T
        length_Y = np.linalg.norm(toward_YR, axis=1)
        bound_Y = centred_YD @ shortest_D + reach * length_Y
        # The exact objective is computed for the most promising y only.
        few_C = np.argsort(-bound_Y, kind="stable")[:CANDIDATES]
        length_C = np.maximum(length_Y[few_C], RANK)
        direction_CR = toward_YR[few_C] / length_C[:, None]
        theta_CD = shortest_D + reach * direction_CR @ free_RD
        # log Z = log sum exp of the logits, shifted by the largest so that nothing overflows.
        logit_CY = theta_CD @ self.feature_YD.T
        top_C = logit_CY.max(axis=1)
        shifted_CY = np.exp(logit_CY - top_C[:, None])
        log_z_C = top_C + np.log(shifted_CY.sum(axis=1))
        value_C = log_z_C - theta_CD @ mean_D
        best = int(value_C.argmax())
        return np.asarray(theta_CD[best])

    def _project(self, theta_D: Floats) -> Floats:
        """Return the nearest point of the ball."""
        norm = max(float(np.linalg.norm(theta_D)), RANK)
        return theta_D * min(1.0, self.radius / norm)
