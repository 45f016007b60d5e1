"""Made-up household events: the same N for the same seed, cheap enough not to be what is measured.

Users come uniformly, so that hardly any two events in a row meet the same profile. A user's categories are skewed: each
user has an order of liking of its own over all categories, and the chance of a category falls with its place in it
(the cube of a uniform number), so that a user comes back to some categories and meets new ones now and then.

Event times rise over the whole stream, `SPAN_DAYS` from first to last, in the past: in order for every user, never
beyond the de-duplication horizon, never in the future. No two events share an identity.
"""

from __future__ import annotations

from collections.abc import Iterator
from random import Random

USERS = 50_000
CATEGORIES = 300
SPAN_DAYS = 30
START_MS = 1_735_689_600_000  # 2025-01-01
SEED = 20_250_101

_TEMPLATE = (
    b'{"household_id":"%d","basket_id":%d,"product_id":%d,"category":"CATEGORY %d",'
    b'"quantity":%d,"sales_value":%d.%02d,"event_time_ms":%d}'
)
_LIKING = [int((step / 1024) ** 3 * CATEGORIES) for step in range(1024)]


def record(number: int, bits: int, event_time_ms: int) -> tuple[bytes, bytes]:
    """One event as (key, value): its identity is `number`, everything else comes from 48 random `bits`."""
    user = 1 + (bits & 0xFFFF_FFFF) % USERS
    category = (user * 7_919 + _LIKING[bits >> 32 & 1023]) % CATEGORIES
    cents = 50 + (bits >> 42) * 31
    value = _TEMPLATE % (
        user,
        number,
        category,
        category,
        1 + (bits >> 42 & 3),
        cents // 100,
        cents % 100,
        event_time_ms,
    )
    return b"%d" % user, value


def events(count: int, spread_over: int = 0, seed: int = SEED) -> Iterator[tuple[bytes, bytes]]:
    """The first `count` of a stream of `spread_over` events (`count` itself unless told), as (key, value)."""
    bits = Random(seed).getrandbits
    span_ms = SPAN_DAYS * 86_400_000
    total = spread_over or count
    for number in range(count):
        yield record(number, bits(48), START_MS + number * span_ms // total)
