"""Keyed pseudonyms of raw identifiers.

A plain hash of a phone number is no protection: all numbers of a country are hashed in minutes. HMAC-SHA-256 (RFC 2104)
with a secret key is; the key id in front tells which key a pseudonym was made with, so that keys can be changed.

Rotation: the key file names an active and a previous key. New pseudonyms are made with the active one; what is known
under the previous one is found by `previous` and moved. When everybody has been seen once, the previous key goes.

A person's pseudonym is made with a key of its own that does not rotate: references of persons are random 128-bit
numbers, not of the real world, so there is nothing to guess even with the key.
"""

from __future__ import annotations

import hmac
from base64 import urlsafe_b64encode

from schemas.pseudonym_keys import PseudonymKeys

_BYTES = 15  # 120 bits, 20 characters: two of 10**10 identifiers share one with probability below 1e-16


class KeyedPseudonyms:
    """Makes pseudonyms ``<key id>.<20 characters>``; pure, so each worker has its own."""

    def __init__(self, keys: PseudonymKeys) -> None:
        self._active = keys.secret(keys.active)
        self._prefix = f"{keys.active}."
        self._previous = keys.secret(keys.previous) if keys.previous else None
        self._previous_prefix = f"{keys.previous}."
        self._person = keys.person_secret()

    def identifier(self, raw: str) -> str:
        """Pseudonym of an IMSI, MSISDN, account or document reference."""
        return self._prefix + _digest(self._active, raw)

    def previous(self, raw: str) -> str | None:
        """The same with the key before; None outside a rotation."""
        if self._previous is None:
            return None
        return self._previous_prefix + _digest(self._previous, raw)

    def person(self, reference: str) -> str:
        """Pseudonym of an opaque person reference."""
        return "p." + _digest(self._person, reference)


class GivenPseudonyms:
    """For feeds whose ids are pseudonyms already: they stay what they are, and need no keys."""

    def identifier(self, raw: str) -> str:
        """The id itself."""
        return raw

    def previous(self, raw: str) -> str | None:
        """None: nothing rotates."""
        return None

    def person(self, reference: str) -> str:
        """The reference itself."""
        return reference


def _digest(secret: bytes, text: str) -> str:
    return urlsafe_b64encode(hmac.digest(secret, text.encode(), "sha256")[:_BYTES]).decode("ascii")
