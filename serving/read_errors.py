"""What can go wrong when a hot profile is read, each with what to do about it. No text names a person or a tag's value.

::

    ReadError
     +-- RedisAway            nothing answers there
     +-- RedisTooSlow         no answer in time
     +-- RedisRefuses         wrong user or password, or not allowed to
     +-- RedisUnready         it answers, and can't serve now
     +-- CatalogueMissing     no tag groups are published under the prefix
     +-- UnknownGroup         a tag of a group that does not exist
     +-- PurposeRefused       a tag that may not be read for the purpose stated
     +-- RawIdentifier        looks like a phone number, not a pseudonym
     +-- DamagedProfileError  what is there is no hot profile
"""

from __future__ import annotations

import re

import redis

from schemas.settings import masked_url


class ReadError(Exception):
    """Something went wrong; the text says what was found, what was expected and what to do."""


class RedisAway(ReadError):
    """Nothing answers at the URL, or the connection broke and could not be made again."""


class RedisTooSlow(ReadError):
    """The answer did not come within the time-out."""


class RedisRefuses(ReadError):
    """The server refuses the user or password, or does not allow the user a command or a key."""


class RedisUnready(ReadError):
    """The server answers and can't serve now: it loads its data, is full, or is a replica."""


class CatalogueMissing(ReadError):
    """No tag groups are published under the prefix."""


class UnknownGroup(ReadError, ValueError):
    """A tag was asked for whose group does not exist."""


class PurposeRefused(ReadError, PermissionError):
    """A tag was asked for that may not be read for the purpose the reader has stated."""


class RawIdentifier(ReadError, ValueError):
    """Something that looks like a phone number, IMSI or account was given, not a pseudonym."""


class DamagedProfileError(ReadError, ValueError):
    """What Redis holds for a user is not a hot profile of this layout; the text says which part, not whose."""


# The client turns some replies into errors of their own, without the word they began with
_UNREADY_ERRORS = (redis.exceptions.BusyLoadingError, redis.ReadOnlyError, redis.exceptions.OutOfMemoryError)
_UNREADY_REPLIES = ("MISCONF", "MASTERDOWN", "CLUSTERDOWN", "TRYAGAIN", "BUSY", "NOREPLICAS")
_TLS_REASON = re.compile(r"\[SSL: ([A-Z0-9_]+)\]")
_NO_CONNECTION = "No connection available"  # what the client's pool says when all are in use
_REFUSALS = (
    redis.AuthenticationError,
    redis.exceptions.AuthorizationError,
    redis.exceptions.NoPermissionError,
)


def as_read_error(error: Exception, url: str, timeout_s: float) -> ReadError:
    """The client's error as one of this tree. Its own text is not repeated: it can hold keys, and with them persons.

    Parameters
    ----------
    error
        A ``redis.RedisError``, ``OSError`` or ``TimeoutError``.
    url
        Where it was asked; shown without user and password.
    timeout_s
        The time-out it was asked with.
    """
    at = masked_url(url)
    if isinstance(error, _REFUSALS):
        return RedisRefuses(
            f"Redis at {at} refuses ({type(error).__name__}): expected a user and password it knows, who may read the "
            "profiles and add to the audit trail. The rules such a user needs are in docs/reading-redis.md"
        )
    if _NO_CONNECTION in str(error):
        return RedisTooSlow(
            f"no connection to Redis at {at} became free within timeout_s={timeout_s:g}: use more (max_connections), "
            "or ask less often"
        )
    if isinstance(error, redis.TimeoutError | TimeoutError):
        return RedisTooSlow(
            f"Redis at {at} did not answer within timeout_s={timeout_s:g}: is it overloaded, or far away? Try again, "
            "ask for fewer people at once, or raise the time-out"
        )
    # before the broken connections, of which the client says this one is
    word = _reply_word(error)
    if isinstance(error, _UNREADY_ERRORS) or word in _UNREADY_REPLIES:
        return RedisUnready(
            f"Redis at {at} can't serve now ({word if word in _UNREADY_REPLIES else type(error).__name__}): expected a "
            "primary that has loaded its data and has memory left, since every read adds to the audit trail. Try "
            "again, or look at the server"
        )
    if (tls := _TLS_REASON.search(str(error))) is not None:
        return RedisAway(
            f"no TLS connection to Redis at {at} ({tls[1]}): expected a certificate for the host of the URL, by an "
            "authority of this system or one named by ?ssl_ca_certs=FILE"
        )
    if isinstance(error, redis.ConnectionError | OSError):
        return RedisAway(
            f"Redis at {at} does not answer ({type(error).__name__}): is it running, and is the URL right? "
            "`livetags status` says where the embedded one is"
        )
    return ReadError(
        f"Redis at {at} answered with an error ({type(error).__name__}): expected a Redis 7.0 or later, or Valkey, in "
        "which nothing but livetags writes keys of this prefix"
    )


def _reply_word(error: Exception) -> str:
    """The word an error reply begins with; a pipeline puts its own words before it."""
    text = str(error)
    return text.rpartition("caused error: ")[2].partition(" ")[0]
