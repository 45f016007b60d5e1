"""The keys of the pseudonyms: a JSON document, from the environment or a file, read where records are.

``{"active": "k2", "previous": "k1", "keys": {"k1": "<hex>", "k2": "<hex>"}, "person_key": "<hex>"}``; ``previous`` only
while a rotation goes on. Every secret has at least 32 bytes. Never part of a job graph.
"""

from __future__ import annotations

import re
import secrets

import msgspec
from msgspec import Struct

_MIN_BYTES = 32
_HOW = (
    'expected {"active": "k1", "keys": {"k1": "<64 or more hex digits>"}, "person_key": "<64 or more hex digits>"}, '
    'and "previous" while a rotation goes on; `livetags keys new` writes one'
)


class KeysError(ValueError):
    """The document can't be used; the text says what is wrong with it and never shows a key."""


class PseudonymKeys(Struct, forbid_unknown_fields=True):
    """Key ids, and secrets in hex."""

    active: str
    keys: dict[str, str]
    person_key: str
    previous: str = ""

    def __repr__(self) -> str:
        """Ids only: secrets must not reach a log through a traceback."""
        return f"PseudonymKeys(active={self.active!r}, previous={self.previous!r})"

    def secret(self, key_id: str) -> bytes:
        """Bytes of a key."""
        return bytes.fromhex(self.keys[key_id])

    def person_secret(self) -> bytes:
        """Bytes of the key for persons."""
        return bytes.fromhex(self.person_key)

    def to_json(self) -> str:
        """The document, secrets included."""
        return msgspec.json.format(msgspec.json.encode(self)).decode()


def read_keys(document: str) -> PseudonymKeys:
    """Parse and check a document.

    Raises
    ------
    KeysError
        When it is no such document, or a key is missing, malformed or too short.
    """
    try:
        keys = msgspec.json.decode(document, type=PseudonymKeys)
    except msgspec.DecodeError:
        msg = f"the pseudonym keys are not the JSON document they should be: {_HOW}"
        raise KeysError(msg) from None
    for name in (keys.active, *([keys.previous] if keys.previous else [])):
        if name not in keys.keys:
            msg = f"the pseudonym keys name key {name!r} but do not hold it: {_HOW}"
            raise KeysError(msg)
        if not re.fullmatch("[a-z][a-z0-9]{0,7}", name) or name == "p":
            msg = f"key id {name!r} must be a letter and up to 7 letters or digits, lower case, and not p: {_HOW}"
            raise KeysError(msg)
    if keys.previous == keys.active:
        msg = f"the previous key is the active one: {_HOW}"
        raise KeysError(msg)
    for name, text in [*keys.keys.items(), ("person_key", keys.person_key)]:
        try:
            size = len(bytes.fromhex(text))
        except ValueError:
            size = 0
        if size < _MIN_BYTES:
            msg = f"key {name!r} must be at least {_MIN_BYTES} bytes in hex: {_HOW}"
            raise KeysError(msg)
    return keys


def new_keys() -> PseudonymKeys:
    """Fresh random keys."""
    return PseudonymKeys("k1", {"k1": secrets.token_hex(_MIN_BYTES)}, secrets.token_hex(_MIN_BYTES))


def rotated(keys: PseudonymKeys) -> PseudonymKeys:
    """A fresh active key; the present one becomes the previous, and the one before that goes."""
    number = int(re.sub("[^0-9]", "", keys.active) or 0) + 1
    active = f"k{number}"
    held = {keys.active: keys.keys[keys.active], active: secrets.token_hex(_MIN_BYTES)}
    return PseudonymKeys(active, held, keys.person_key, keys.active)
