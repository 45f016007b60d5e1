"""Numbers and references of the subscribers: unique, of fixed length, random-looking, from the seed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

_SERVICE_NUMBERS = 200


@dataclass(frozen=True)
class Identifiers:
    """By subscriber, except `msisdns`.

    Attributes
    ----------
    imsis, accounts, registrants, persons
        Of each subscriber; the last two are opaque references.
    msisdns
        The subscribers' first numbers, then spare ones for who loses theirs, then those of shops and services outside.
    first_service
        Index of the first number outside in `msisdns`.
    """

    imsis: list[str]
    accounts: list[str]
    registrants: list[str]
    persons: list[str]
    msisdns: list[str]
    first_service: int

    @property
    def nobody(self) -> int:
        """Index that stands for no number: the first after `msisdns`."""
        return len(self.msisdns)


def issue(subscribers: int, spare_numbers: int, seed: int) -> Identifiers:
    """Identifiers for so many subscribers, and so many spare telephone numbers."""
    rng = np.random.default_rng([seed, 2])
    inside = subscribers + spare_numbers
    return Identifiers(
        imsis=_digits("46000", 10, subscribers, rng),
        accounts=_digits("A", 10, subscribers, rng),
        registrants=[f"r{high:016x}" for high in rng.integers(0, 1 << 63, subscribers).tolist()],
        persons=[rng.bytes(16).hex() for _ in range(subscribers)],
        msisdns=_digits("8613", 9, inside + _SERVICE_NUMBERS, rng),
        first_service=inside,
    )


def _digits(prefix: str, digits: int, n: int, rng: np.random.Generator) -> list[str]:
    # Multiplying by a number coprime to 10 maps counters to numbers one to one.
    size = 10**digits
    factor, offset = int(rng.integers(size // 10, size // 2)) * 10 + 7, int(rng.integers(size))
    return [f"{prefix}{(count * factor + offset) % size:0{digits}d}" for count in range(n)]
