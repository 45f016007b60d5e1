"""Identity of a trigger: what makes a replay harmless."""

from __future__ import annotations

from hashlib import blake2b


def trigger_id(user: str, rule: str, version: int, episode: str) -> str:
    """128-bit hash of person, rule, version and episode, as 32 hexadecimal digits.

    Two triggers with the same id are the same; different ones collide with probability 2**-128 a pair.
    """
    text = "\0".join((user, rule, str(version), episode))
    return blake2b(text.encode(), digest_size=16).hexdigest()
