"""Redis keys of the hot profiles, of the triggers and of the audit trail.

Readers in other languages rely on them: see docs/reading-redis.md and docs/triggers.md.

``<prefix>:p:{<user>}``       hash: ``<group>:<tag>`` -> weight as a plain decimal number at the instant in
                              ``_as_of_ms``; reserved fields begin with ``_``.
``<prefix>:e:{<user>}``       string: JSON object ``<group>:<tag>`` -> time of the newest evidence, ms since the epoch.
``<prefix>:x:{<user>}``       string: the tombstone of an erased user, event time of the erasure in ms since the epoch.
                              While it stands, no profile is accepted that was built without knowing of the erasure.
``<prefix>:i:{<identifier>}`` string: the person an identifier belongs to now; both are pseudonyms.
``<prefix>:groups``           hash: tag group -> half-life in milliseconds, for decaying a weight to now.
``<prefix>:catalogue``        hash: tag group -> JSON of `schemas.published_group`; and ``_version``, a number that
                              rises with each publication: a reader knows by it that its copy is the one in force.
``<prefix>:audit``            stream: who read whose profile, what for; see `serving.audit`.

All keys of a user share a hash tag, so they live on one node of a cluster and change in one atomic step. So do those
of the triggers, among them:

``<prefix>:{triggers}``          stream: the triggers, one entry each; see docs/triggers.md.
``<prefix>:{triggers}:i:<id>``   string: a trigger was added; when it was decided, and when it could be read, ms since
                                 the epoch. Stays for the retention, also when the entry is erased; names nobody.
``<prefix>:{triggers}:u:<user>`` list: ids of the user's entries in the stream, oldest first.
``<prefix>:{triggers}:x:<user>`` string: the tombstone of an erased user, as above. While it stands, no trigger is added
                                 that arose until then.
"""

from __future__ import annotations

AS_OF_MS = "_as_of_ms"
VERSION = "_version"
ERASED_MS = "_erased_ms"
DRIFT = "_drift"
DRIFT_SINCE_MS = "_drift_since_ms"
OTHER_PREFIX = "_other:"

CATALOGUE_VERSION = "_version"


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


def catalogue_key(prefix: str) -> str:
    """Key of what is published of the tag groups."""
    return f"{prefix}:catalogue"


def audit_key(prefix: str) -> str:
    """Key of the audit trail."""
    return f"{prefix}:audit"


def identifier_key(prefix: str, identifier: str) -> str:
    """Key of whom an identifier belongs to now."""
    return f"{prefix}:i:{{{identifier}}}"


def trigger_stream_key(prefix: str) -> str:
    """Key of the stream of triggers."""
    return f"{prefix}:{{triggers}}"


def trigger_memory_key(prefix: str, trigger: str) -> str:
    """Key of what is remembered of a trigger, by its id."""
    return f"{prefix}:{{triggers}}:i:{trigger}"


def trigger_entries_key(prefix: str, user: str) -> str:
    """Key of the ids of a user's entries in the stream."""
    return f"{prefix}:{{triggers}}:u:{user}"


def trigger_tombstone_key(prefix: str, user: str) -> str:
    """Key that stays of an erased user beside the stream."""
    return f"{prefix}:{{triggers}}:x:{user}"
