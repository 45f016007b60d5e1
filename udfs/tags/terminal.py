"""Terminal: the person's phone, and how often it is replaced."""

from __future__ import annotations

from zlib import crc32

from schemas.events import Registration
from schemas.outputs import Evidence
from schemas.person_memory import PersonMemory, TerminalMemory
from schemas.rules import Rules
from schemas.tag_group import FOREVER_DAYS, MoreTags, TagGroup
from udfs.local_time import MS_PER_DAY
from udfs.tags.stated import facts

EVENTS = (Registration,)

MS_PER_MONTH = 365.25 / 12 * MS_PER_DAY


def _fact(
    name: str, meaning: str, tags: tuple[str, ...] = (), more_tags: MoreTags = "any", *, ordered: bool = False
) -> TagGroup:
    return TagGroup(
        name=name,
        kind="fact",
        unit="certainty",
        half_life_days=FOREVER_DAYS,
        meaning=f"{meaning}; weight 1 as stated, 0.5 filled in.",
        family="terminal",
        sources=("registration",),
        purpose="service",
        order_free=False,  # a filled-in value counts only before the first stated one
        tags=tags,
        more_tags=more_tags,
        ordered=ordered,
    )


GROUPS = (
    # Reading: the one tag there is.
    _fact("device_brand", "Brand of the phone last registered"),
    _fact("device_os", "Operating system of the phone last registered"),
    _fact(
        "price_band",
        "Price band of the phone last registered: low, mid, high or premium",
        ("low", "mid", "high", "premium"),
        "",
        ordered=True,
    ),
    # Reading: mean months between phones; absent before the first change is seen.
    TagGroup(
        name="upgrade_cycle",
        kind="numeric",
        unit="months",
        half_life_days=1_095.0,
        meaning="Months between changes of the phone: decayed mean and deviation.",
        family="terminal",
        sources=("registration",),
        purpose="service",
        order_free=False,
        tags=("all",),
        more_tags="",
    ),
)


def evidence(event: Registration, memory: PersonMemory, rules: Rules) -> tuple[Evidence, ...]:
    """Brand, system and price band; on a change of phone the months the last one was kept."""
    known = memory.terminal
    if known is None:
        known = memory.terminal = TerminalMemory()
    found, known.stated = facts(
        (
            ("device_brand", "device_brand", event.device_brand),
            ("device_os", "device_os", event.device_os),
            ("device_price_band", "price_band", event.device_price_band),
        ),
        event.filled,
        known.stated,
    )
    if not event.device_model or "device_model" in event.filled or event.event_time_ms <= known.since_ms:
        return found
    device = crc32(event.device_model.encode(errors="replace")) & 0xFFFF or 1
    if device == known.device:
        return found
    before_ms = known.since_ms
    changed = known.device != 0
    known.device, known.since_ms = device, event.event_time_ms
    if changed:
        return (*found, ("upgrade_cycle", "all", (event.event_time_ms - before_ms) / MS_PER_MONTH))
    return found
