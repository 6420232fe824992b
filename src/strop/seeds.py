"""Seeds that depend on what is drawn, never on when or where it is drawn.

Every random number in a run follows from ``derive(run seed, stage, ..., problem id, draw)``. So the same row comes out of another
batch, another worker or a resumed run.
"""

from __future__ import annotations

import hashlib


def derive(*parts: str | int) -> int:
    """A 64-bit seed from the parts, the same on every machine and in every Python (``hash()`` is neither)."""
    digest = hashlib.blake2b("\x1f".join(str(part) for part in parts).encode(), digest_size=8)
    return int.from_bytes(digest.digest(), "little")


def fraction(*parts: str | int) -> float:
    """A number in [0, 1) from the parts: the stable coin that decides, say, whether a problem is held out."""
    return derive(*parts) / 2**64
