"""API keys: who may read over HTTP, for which purposes, how fast. The file holds hashes; a key itself is shown once.

A key is ``lt_<id>_<secret>``. The secret has 256 random bits, so a plain SHA-256 of it can't be guessed backwards and a
slow hash would only slow the readers.
"""

from __future__ import annotations

import hmac
import logging
import secrets
import time
from hashlib import sha256
from pathlib import Path

import msgspec
from msgspec import Struct

from schemas.purposes import PURPOSES
from serving.reader import Reader

_log = logging.getLogger(__name__)
_RELOAD_S = 1.0


class KeyFileError(ValueError):
    """The file with the API keys can't be used; the text says what is wrong with it."""


class ApiKey(Struct, frozen=True, forbid_unknown_fields=True):
    """A key as the file has it.

    Attributes
    ----------
    id
        Eight hex digits, the part of the key that may be shown.
    reader
        Name of the service that has it; the audit trail has it.
    purposes
        What it may read for.
    sha256
        Of the secret, in hex.
    people_per_s
        It may read so many people a second on the average.
    created
        Day it was made, ISO 8601.
    sensitive
        Whether it may read sensitive tag groups, if a request asks for them.
    """

    id: str
    reader: str
    purposes: tuple[str, ...]
    sha256: str
    people_per_s: float
    created: str
    sensitive: bool = False

    def __post_init__(self) -> None:
        if not self.purposes or not self.people_per_s > 0:
            msg = f"key {self.id} needs at least one purpose, and more than no people a second"
            raise ValueError(msg)
        for purpose in self.purposes:
            Reader(self.reader, purpose)


class KeyFile(Struct, forbid_unknown_fields=True):
    """The document of the file."""

    keys: list[ApiKey]


def new_key(
    reader: str, purposes: tuple[str, ...], people_per_s: float, created: str, sensitive: bool
) -> tuple[str, ApiKey]:
    """A fresh key, and what the file has of it.

    Raises
    ------
    ValueError
        For a name that is none, an unknown purpose, or no limit.
    """
    id_, secret = secrets.token_hex(4), secrets.token_urlsafe(32)
    unknown = [purpose for purpose in purposes if purpose not in PURPOSES]
    if unknown or not purposes:
        msg = f"unknown purposes {unknown}: expected one or more of {', '.join(PURPOSES)}"
        raise ValueError(msg)
    return f"lt_{id_}_{secret}", ApiKey(id_, reader, purposes, _hash(secret), people_per_s, created, sensitive)


def read_keys(file: Path) -> list[ApiKey]:
    """The keys of a file; none if it is not there.

    Raises
    ------
    KeyFileError
        When it can't be read.
    """
    try:
        return msgspec.json.decode(file.read_bytes(), type=KeyFile).keys
    except FileNotFoundError:
        return []
    except (OSError, msgspec.DecodeError) as error:
        # the decoder's own text says where in the document, and repeats no value
        said = f": {error}" if isinstance(error, msgspec.ValidationError) else ""
        msg = (
            f"the API keys in {file} can't be read ({type(error).__name__}{said}): expected the document that "
            "`livetags api-key add` writes"
        )
        raise KeyFileError(msg) from None


class KeyRing:
    """The keys in force: those of the file, looked at again when it changes, at most once a second.

    Keys are asked for as soon as the file is there, and from then on: a file that is emptied, deleted or damaged lets
    nobody in that it did not let in before.

    Parameters
    ----------
    file
        Where they are.

    Raises
    ------
    KeyFileError
        When the file is there and can't be read.
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        self._keys: dict[str, ApiKey] = {}
        self._state = self._stat()
        self._looked_s = time.monotonic()
        self.required = self._state is not None
        self._keys = {key.id: key for key in read_keys(file)}

    @property
    def count(self) -> int:
        """How many there are."""
        self._look()
        return len(self._keys)

    def asked_for(self) -> bool:
        """Whether a reader needs a key."""
        self._look()
        return self.required

    def find(self, token: str) -> ApiKey | None:
        """The key, if it is one."""
        self._look()
        mark, _, rest = token.partition("_")
        id_, _, secret = rest.partition("_")
        key = self._keys.get(id_)
        # compared even when there is none: the time it takes must not tell
        same = hmac.compare_digest(_hash(secret), key.sha256 if key is not None else _hash(""))
        return key if same and mark == "lt" else None

    def _look(self) -> None:
        now_s = time.monotonic()
        if now_s - self._looked_s < _RELOAD_S:
            return
        self._looked_s = now_s
        state = self._stat()
        if state == self._state:
            return
        self._state = state
        self.required = self.required or state is not None
        try:
            self._keys = {key.id: key for key in read_keys(self._file)}
        except KeyFileError as error:
            _log.error("%s; the keys from before stay in force", error)

    def _stat(self) -> tuple[int, int, int] | None:
        try:
            found = self._file.stat()
        except FileNotFoundError:
            return None
        return found.st_mtime_ns, found.st_size, found.st_ino


def _hash(secret: str) -> str:
    return sha256(secret.encode()).hexdigest()
