"""The nine feeds: which column of the city goes to which field of the message."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from city.beginning import DEVICE_SPELLINGS, REGION_SPELLINGS
from city.browsing import APP_SPELLINGS, HOSTS, KEYWORDS
from city.catalogue import CATEGORIES, DEVICES, OCCUPATIONS, PLANS, PRODUCTS, PURPOSES
from city.geography import Geography
from city.population import People
from city.wire import Double, Field, Id, Integer, Text, Time

_FLOW_OCTETS = 5  # of a varint: a flow is below 32 GiB
_COUNTER_OCTETS = 7  # a counter that leapt now and then stays far below 2**49


@dataclass(frozen=True)
class Feed:
    """A feed.

    Attributes
    ----------
    name
        Also of its file, with the suffix ``.pb``.
    code
        Distinguishes its record ids from those of other feeds.
    wanders
        Whether records of it arrive late or shuffled.
    fields
        Of its message, in order of their numbers; the first is the key.
    """

    name: str
    code: int
    wanders: bool
    fields: Sequence[Field]


def feeds(people: People, geography: Geography) -> dict[str, Feed]:
    """All feeds of a city by name."""
    ids = people.ids
    numbers = [*ids.msisdns, ""]
    plans = [name for name, *_ in PLANS]
    products = [name for name, _ in PRODUCTS]

    listed = (
        _feed(
            "link",
            1,
            Text(1, "identifier", [*ids.imsis, *ids.msisdns, *ids.accounts]),
            Text(4, "person", ids.persons),
            wanders=False,
        ),
        _feed(
            "registration",
            2,
            Text(1, "who", ids.registrants),
            Text(4, "who", ids.persons),
            Integer(5, "age"),
            Integer(6, "gender"),
            Text(7, "region", REGION_SPELLINGS.table),
            Time(8, "activated"),
            Text(9, "device", DEVICE_SPELLINGS.table),
            Text(10, "os", [device.os for device in DEVICES]),
            Text(11, "occupation", OCCUPATIONS),
            Text(12, "plan", plans),
            Text(13, "who", ids.accounts),
            wanders=False,
        ),
        _feed(
            "consent",
            3,
            Text(1, "number", numbers),
            Integer(4, "list"),
            Text(5, "purpose", ["", *PURPOSES]),
            Integer(6, "decision"),
            Integer(7, "version"),
            wanders=False,
        ),
        _feed(
            "signalling",
            4,
            Text(1, "who", ids.imsis),
            Integer(4, "kind"),
            Text(5, "cell", geography.cell_ids),
            Text(6, "province", ["", *geography.provinces]),
        ),
        _feed(
            "dpi",
            5,
            Text(1, "who", ids.imsis),
            Text(4, "app", APP_SPELLINGS.table),
            Text(5, "category", ["", *CATEGORIES]),
            Integer(6, "up", _FLOW_OCTETS),
            Integer(7, "down", _FLOW_OCTETS),
            Text(8, "host", HOSTS),
            Text(9, "keyword", KEYWORDS),
        ),
        _feed(
            "cdr",
            6,
            Text(1, "number", numbers),
            Integer(4, "kind"),
            Integer(5, "direction"),
            Text(6, "peer", numbers),
            Double(7, "duration"),
            Integer(8, "parties"),
            Integer(9, "total", _COUNTER_OCTETS),
        ),
        _feed(
            "billing",
            7,
            Text(1, "who", ids.accounts),
            Integer(4, "kind"),
            Double(5, "amount"),
            Text(6, "plan", plans),
            Double(7, "remaining"),
            Double(8, "included"),
        ),
        _feed(
            "order",
            8,
            Text(1, "who", ids.accounts),
            Integer(4, "action"),
            Text(5, "product", products),
            Double(6, "amount"),
        ),
        _feed(
            "contact",
            9,
            Text(1, "number", numbers),
            Integer(4, "channel"),
            Integer(5, "result"),
            Text(6, "offer", products),
            Id(7, "contact"),
        ),
    )
    return {feed.name: feed for feed in listed}


def _feed(name: str, code: int, key: Field, *fields: Field, wanders: bool = True) -> Feed:
    return Feed(name, code, wanders, (key, Id(2, "record"), Time(3), *fields))
