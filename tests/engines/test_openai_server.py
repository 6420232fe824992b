"""Requests to a server: pauses that it asks for, and refusals. See also test_openai."""

from __future__ import annotations

import pickle
import time
from email.utils import formatdate

import pytest

from strop.engines.openai_server import Refused, _retry_after


def test_retry_after_is_seconds_or_a_date() -> None:
    assert (
        _retry_after({"retry-after": "1.5"}) == 1.5
        and _retry_after({}) is None
        and _retry_after({"retry-after": "soon"}) is None
    )
    assert _retry_after(
        {"retry-after": formatdate(time.time() + 30, usegmt=True)}
    ) == pytest.approx(30, abs=2)


def test_a_refusal_survives_the_way_from_a_worker() -> None:
    again = pickle.loads(pickle.dumps(Refused("no", 404)))
    assert type(again) is Refused and (str(again), again.status) == ("no", 404)
