"""From what a person is known by to the pseudonym the stores hold them under."""

from __future__ import annotations

import re

from livetags.reach import reach_redis
from schemas.pseudonym_keys import KeysError
from schemas.redis_keys import identifier_key, profile_key
from schemas.settings import Settings
from udfs.privacy.pseudonym import KeyedPseudonyms

_PSEUDONYM = re.compile(r"[a-z][a-z0-9]{0,7}\.[A-Za-z0-9_-]{20}")


def identifiers_of(settings: Settings, text: str) -> list[str]:
    """Pseudonyms an identifier may be held under: itself if it is one, else by the active and the previous key."""
    try:
        keys = settings.keys()
    except KeysError:
        return [text]
    # an account may look like a pseudonym, but not begin with the name of a key
    if _PSEUDONYM.fullmatch(text) and text.partition(".")[0] in {"p", keys.active, keys.previous}:
        return [text]
    pseudonyms = KeyedPseudonyms(keys)
    previous = pseudonyms.previous(text)
    return [text, pseudonyms.identifier(text), *([previous] if previous is not None else [])]


def whose_is(settings: Settings, text: str) -> str:
    """Pseudonym of the person an identifier belongs to now; the identifier's own while nobody is linked to it.

    `text` is a pseudonym, or a raw IMSI, MSISDN or account, which needs the keys.
    """
    client = reach_redis(settings)
    prefix = settings.redis_key_prefix
    known = identifiers_of(settings, text)
    for user in known:
        if client.exists(profile_key(prefix, user)):
            return user
        person = client.get(identifier_key(prefix, user))
        if person is not None:
            return person.decode() if isinstance(person, bytes) else str(person)
    return known[min(1, len(known) - 1)]
