"""Feeds `link`, `registration` and `consent`: how a person begins, and what changes hands or minds later.

A person's three links come first, a second later the consents, then the registration, all before anything else.
"""

from __future__ import annotations

import numpy as np

from city import marks
from city.catalogue import DEVICES, PURPOSES, REGIONS
from city.clock import DAY_MS, SECOND_MS, local_midnight
from city.destinies import NOBODY
from city.population import People
from city.rows import Bools, Ints, Rows, joined
from city.spelling import Spellings

REGION_SPELLINGS = Spellings([(region.name, *region.variants) for region in REGIONS])
"""As the column ``region`` refers to them."""
DEVICE_SPELLINGS = Spellings([(device.model, *device.variants) for device in DEVICES])
"""As the column ``device`` refers to them."""
NECESSARY, OPTIONAL = 1, 2
GRANTED, WITHDRAWN = 1, 2
_REGION_VARIANT, _DEVICE_VARIANT = 0.5, 0.35
_NO_AGE, _NO_DEVICE = 0.04, 0.04


def links(people: People, day: int) -> Rows:
    """Links that begin in a local day. Columns: identifier (IMSIs, then MSISDNs, then accounts), person."""
    n, fates = people.count, people.fates
    everybody = np.arange(n)
    first_account = n + len(people.ids.msisdns)
    parts = [
        _link(everybody, everybody, fates.born_ms),
        _link(everybody, n + fates.first_number, fates.born_ms + 1),
        _link(everybody, first_account + everybody, fates.born_ms + 2),
        _link(everybody, n + fates.later_number, fates.number_from_ms),
    ]
    return joined([part.take(_within(part["time"], day)) for part in parts])


def _link(who: Ints, identifier: Ints, time: Ints) -> Rows:
    person = who.astype(np.int32)
    return Rows(
        who=person,
        time=time,
        marks=np.zeros(len(who), np.uint32),
        identifier=identifier.astype(np.int32),
        person=person,
    )


def registrations(people: People, day: int, seed: int) -> Rows:
    """Cards registered in a local day. Columns: those of People, device and region as spelled."""
    rng = np.random.default_rng([seed, 9, day])
    time = people.fates.born_ms + 2 * SECOND_MS
    who = np.flatnonzero(_within(time, day))
    n = len(who)
    odd = np.zeros(n, np.uint32)
    region, varied = REGION_SPELLINGS.write(people.region[who], _REGION_VARIANT, rng)
    odd[varied] |= marks.ALIAS_REGION
    device, varied = DEVICE_SPELLINGS.write(people.device[who], _DEVICE_VARIANT, rng)
    unsaid = rng.random(n) < _NO_DEVICE
    device[unsaid] = 0
    odd[varied & ~unsaid] |= marks.ALIAS_DEVICE
    odd[unsaid] |= marks.MISSING_DEVICE
    age = people.age[who].copy()
    unsaid = rng.random(n) < _NO_AGE
    age[unsaid] = 0
    odd[unsaid] |= marks.MISSING_AGE
    return Rows(
        who=who.astype(np.int32),
        time=time[who],
        marks=odd,
        age=age,
        gender=people.gender[who],
        region=region,
        activated=people.activated_ms[who],
        device=device,
        os=people.device[who],
        occupation=people.occupation[who],
        plan=people.plan[who],
    )


def consents(people: People, day: int) -> Rows:
    """Decisions of a local day. Columns: number, list, purpose (0 none), decision, version."""
    who, place = np.nonzero(people.consents)
    time = people.fates.born_ms[who] + SECOND_MS + place
    granted = _decisions(people, who, place, time, GRANTED)
    who = np.flatnonzero(people.withdraws != NOBODY)
    withdrawn = _decisions(people, who, people.withdraws[who], people.withdraws_ms[who], WITHDRAWN)
    return joined([part.take(_within(part["time"], day)) for part in (granted, withdrawn)])


def _decisions(people: People, who: Ints, place: Ints, time: Ints, decision: int) -> Rows:
    n = len(who)
    return Rows(
        who=who.astype(np.int32),
        time=time,
        marks=np.zeros(n, np.uint32),
        number=people.fates.number(who, time).astype(np.int32),
        list=np.where(place == 0, NECESSARY, OPTIONAL),
        purpose=place,
        decision=np.full(n, decision),
        version=np.ones(n, np.int64),
    )


def consented(people: People, end_ms: int) -> dict[str, Bools]:
    """What each person has consented to at the end, by purpose."""
    at_end = people.consents.copy()
    gone = np.flatnonzero((people.withdraws != NOBODY) & (people.withdraws_ms < end_ms))
    at_end[gone, people.withdraws[gone]] = False
    return dict(zip(("necessary", *PURPOSES), at_end.T, strict=True))


def _within(time: Ints, day: int) -> Bools:
    begin = local_midnight(day)
    return (time >= begin) & (time < begin + DAY_MS)
