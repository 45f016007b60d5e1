"""Social: how many people the person is in touch with, how, and how central that makes them.

No peer is kept: distinct ones are counted with two bitmaps of 128 bits, for the current and the last 15 days, in which
many people share a bit. Linear counting: n is estimated by ``-m * ln(share of bits unset)``, to about 7 % at 50 peers
and 9 % at 200, and saturates near 700. Source: Whang, Vander-Zanden, Taylor, "A linear-time probabilistic counting
algorithm for database applications", ACM TODS 15(2), 1990.
"""

from __future__ import annotations

from math import exp2, log
from zlib import crc32

from schemas.events import Call
from schemas.outputs import Evidence
from schemas.person_memory import PersonMemory, SocialMemory
from schemas.rules import Rules
from schemas.tag_group import TagGroup
from udfs.local_time import local_day

EVENTS = (Call,)

PERIOD_DAYS = 15
BITS = 128
NO_PEERS = bytes(BITS // 8)
HALF_LIFE_DAYS = 30.0
_ORDINARY_PARTIES = 2
_MAX_PARTIES = 50  # more is a broadcast, and says no more of one's friends

_CALLS: dict[tuple[str, bool], Evidence] = {
    ("voice", True): ("calls", "voice_out", 1.0),
    ("voice", False): ("calls", "voice_in", 1.0),
    ("sms", True): ("calls", "sms_out", 1.0),
    ("sms", False): ("calls", "sms_in", 1.0),
}

GROUPS = (
    # Reading: the mean is the size of the circle; a single new acquaintance does not show.
    TagGroup(
        name="circle",
        kind="numeric",
        unit="people",
        half_life_days=HALF_LIFE_DAYS,
        meaning="Distinct people in touch with by call or message in 15 to 30 days, estimated once a day.",
        family="social",
        sources=("cdr",),
        purpose="social_analysis",
        order_free=False,
        tags=("all",),
        more_tags="",
    ),
    # Reading: weight * ln(2) / 30 is the number a day.
    TagGroup(
        name="calls",
        kind="weight",
        unit="contacts",
        half_life_days=HALF_LIFE_DAYS,
        meaning="Calls and messages by direction, decayed: voice_out, voice_in, sms_out, sms_in.",
        family="social",
        sources=("cdr",),
        purpose="social_analysis",
        tags=tuple(tag for _, tag, _ in _CALLS.values()),
        more_tags="",
    ),
    # Reading: above 1, in calls of three or more about once a month.
    TagGroup(
        name="group_calls",
        kind="weight",
        unit="calls",
        half_life_days=HALF_LIFE_DAYS,
        meaning="Calls of three or more parties, decayed.",
        family="social",
        sources=("cdr",),
        purpose="social_analysis",
        tags=("all",),
        more_tags="",
    ),
    # Reading: about how many people seek the person out; compare within a region. In-degree centrality (Freeman,
    # "Centrality in social networks: conceptual clarification", Social Networks 1(3), 1979) as far as one side's
    # records show it: circle times the share of incoming contacts, of group calls all other parties counted.
    TagGroup(
        name="influence",
        kind="numeric",
        unit="people",
        half_life_days=HALF_LIFE_DAYS,
        meaning="Size of the circle times the share of incoming contacts, each weighted by its other parties, daily.",
        family="social",
        sources=("cdr",),
        purpose="social_analysis",
        order_free=False,
        tags=("all",),
        more_tags="",
    ),
)

_GROUP_CALL: Evidence = ("group_calls", "all", 1.0)


def evidence(event: Call, memory: PersonMemory, rules: Rules) -> tuple[Evidence, ...]:
    """The contact; with the first one of a day, circle and influence as they were until then."""
    call = _CALLS.get((event.kind, event.outgoing))
    found = () if call is None else (call,)
    if event.parties > _ORDINARY_PARTIES:
        found = (*found, _GROUP_CALL)
    today = local_day(event.event_time_ms, rules.utc_offset_ms)
    known = memory.social
    if known is None:
        known = memory.social = SocialMemory(today // PERIOD_DAYS, NO_PEERS, NO_PEERS, day=today)
    elif today > known.day:
        found = (*found, *_daily(known, today))
    _remember(known, event, today)
    return found


def circle_size(known: SocialMemory) -> float:
    """Estimated number of distinct peers of this period and the one before."""
    bits = int.from_bytes(known.peers, "little") | int.from_bytes(known.peers_before, "little")
    unset = BITS - bits.bit_count()
    return BITS * log(BITS / max(unset, 0.5))


def to_period(known: SocialMemory, period: int) -> None:
    """Move the bitmaps on to a later period."""
    if period > known.period:
        known.peers_before = known.peers if period == known.period + 1 else NO_PEERS
        known.peers = NO_PEERS
        known.period = period


def to_day(known: SocialMemory, today: int) -> None:
    """Decay the numbers of contacts to a later day."""
    if today > known.day:
        factor = exp2((known.day - today) / HALF_LIFE_DAYS)
        known.incoming *= factor
        known.outgoing *= factor
        known.day = today


def _daily(known: SocialMemory, today: int) -> tuple[Evidence, ...]:
    to_period(known, today // PERIOD_DAYS)
    circle = circle_size(known)
    to_day(known, today)
    contacts = known.incoming + known.outgoing
    if not circle or not contacts:
        return ()
    return (("circle", "all", circle), ("influence", "all", circle * known.incoming / contacts))


def _remember(known: SocialMemory, event: Call, today: int) -> None:
    others = float(min(max(event.parties, _ORDINARY_PARTIES), _MAX_PARTIES) - 1)
    if today < known.day:
        others *= exp2((today - known.day) / HALF_LIFE_DAYS)
    if event.outgoing:
        known.outgoing += others
    else:
        known.incoming += others
    byte, bit = divmod(crc32(event.peer.encode(errors="replace")) % BITS, 8)
    period = today // PERIOD_DAYS
    if period == known.period:
        if not known.peers[byte] >> bit & 1:
            known.peers = _with(known.peers, byte, bit)
    elif period == known.period - 1:
        known.peers_before = _with(known.peers_before, byte, bit)


def _with(peers: bytes, byte: int, bit: int) -> bytes:
    changed = bytearray(peers)
    changed[byte] |= 1 << bit
    return bytes(changed)
