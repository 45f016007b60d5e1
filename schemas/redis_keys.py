"""Redis keys of the hot profiles. Readers in other languages rely on them: see docs/reading-redis.md.

``<prefix>:p:{<user>}``       hash: ``<group>:<tag>`` -> weight as a plain decimal number at the instant in
                              ``_as_of_ms``; reserved fields begin with ``_``.
``<prefix>:e:{<user>}``       string: JSON object ``<group>:<tag>`` -> time of the newest evidence, ms since the epoch.
``<prefix>:x:{<user>}``       string: the tombstone of an erased user, event time of the erasure in ms since the epoch.
                              While it stands, no profile is accepted that was built without knowing of the erasure.
``<prefix>:i:{<identifier>}`` string: the person an identifier belongs to now; both are pseudonyms.
``<prefix>:groups``           hash: tag group -> half-life in milliseconds, for decaying a weight to now.

All keys of a user share a hash tag, so they live on one node of a cluster and change in one atomic step.
"""

from __future__ import annotations

AS_OF_MS = "_as_of_ms"
VERSION = "_version"
ERASED_MS = "_erased_ms"
DRIFT = "_drift"
DRIFT_SINCE_MS = "_drift_since_ms"
OTHER_PREFIX = "_other:"


def profile_key(prefix: str, user: str) -> str:
    """Key of the user's hot profile."""
    return f"{prefix}:p:{{{user}}}"


def evidence_key(prefix: str, user: str) -> str:
    """Key of the times of newest evidence."""
    return f"{prefix}:e:{{{user}}}"


def tombstone_key(prefix: str, user: str) -> str:
    """Key that stays of an erased user."""
    return f"{prefix}:x:{{{user}}}"


def groups_key(prefix: str) -> str:
    """Key of the half-lives."""
    return f"{prefix}:groups"


def identifier_key(prefix: str, identifier: str) -> str:
    """Key of whom an identifier belongs to now."""
    return f"{prefix}:i:{{{identifier}}}"
