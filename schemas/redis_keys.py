"""Redis keys of the hot profiles. Readers in other languages rely on them: see docs/reading-redis.md.

``<prefix>:p:{<user>}``       hash: ``<group>:<tag>`` -> weight as a plain decimal number at the instant in
                              ``_as_of_ms``; reserved fields begin with ``_``.
``<prefix>:e:{<user>}``       string: JSON object ``<group>:<tag>`` -> time of the newest evidence, ms since the epoch.
``<prefix>:groups``           hash: tag group -> half-life in milliseconds, for decaying a weight to now.

Both keys of a user share a hash tag, so they live on one node of a cluster and change in one atomic step.
"""

from __future__ import annotations

AS_OF_MS = "_as_of_ms"
VERSION = "_version"
OTHER_PREFIX = "_other:"


def profile_key(prefix: str, user: str) -> str:
    """Key of the user's hot profile."""
    return f"{prefix}:p:{{{user}}}"


def evidence_key(prefix: str, user: str) -> str:
    """Key of the times of newest evidence."""
    return f"{prefix}:e:{{{user}}}"


def groups_key(prefix: str) -> str:
    """Key of the half-lives."""
    return f"{prefix}:groups"
