"""Seeds that depend on what is drawn, never on when or where it is drawn.

Every random number in a run follows from ``derive(run seed, stage, ..., problem id, draw)``, so
another batch, another worker or a resumed run gives the same row.
"""

from __future__ import annotations

import hashlib


def derive(*parts: str | int) -> int:
    """Return a 64-bit seed from the parts, the same on every machine and in every Python.

    The seed is an integer in [0, 2^64). A number and its text give the same seed. Python's
    ``hash()`` would not do: for strings it differs from process to process.
    """
    # The separator cannot occur in an id by accident, so ("a", "bc") and ("ab", "c") differ.
    text = "\x1f".join(str(part) for part in parts)
    digest = hashlib.blake2b(text.encode(), digest_size=8)
    return int.from_bytes(digest.digest(), "little")


def fraction(*parts: str | int) -> float:
    """Return a number in [0, 1) from the parts: a coin that always falls the same way.

    It decides, for example, whether a problem is held out.
    """
    return derive(*parts) / 2**64
