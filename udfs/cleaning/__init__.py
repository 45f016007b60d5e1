"""Cleaning: what a record goes through between de-duplication and the tags.

A step is one file and one function named after it: it fills in or normalises fields of the event in place and appends a
`Correction`, or raises `Rejected` with a reason. `STEPS` says by hand which event goes through which steps, in order.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from schemas.cleaning_memory import CleaningMemory
from schemas.events import AppUse, Billing, Call, DataUsage, Event, Presence, Registration
from schemas.rules import Rules
from udfs.cleaning.app_name import app_name
from udfs.cleaning.billing_outlier import billing_outlier
from udfs.cleaning.call_outlier import call_outlier
from udfs.cleaning.category import category
from udfs.cleaning.correction import Correction
from udfs.cleaning.counter import counter
from udfs.cleaning.device_name import device_name
from udfs.cleaning.district import district
from udfs.cleaning.fill import fill
from udfs.cleaning.last_cell import KEEP_MS, last_cell
from udfs.cleaning.ping_pong import ping_pong
from udfs.cleaning.region_name import region_name
from udfs.cleaning.signal_drift import signal_drift
from udfs.cleaning.usage_outlier import usage_outlier

__all__ = ["STEPS", "Correction", "clean"]

_Step = Callable[[Any, CleaningMemory, Rules, list[str]], None]

STEPS: dict[type[Event], tuple[_Step, ...]] = {
    Presence: (ping_pong, signal_drift, last_cell, district),
    AppUse: (app_name, category),
    Call: (call_outlier,),
    DataUsage: (counter, usage_outlier),
    Billing: (billing_outlier,),
    Registration: (device_name, region_name, fill),
}
"""Kind of event -> its steps. A kind that is not listed needs no cleaning."""


def clean(event: Event, memory: CleaningMemory, rules: Rules, corrections: list[str]) -> Event:
    """Run the steps of the event's kind.

    Parameters
    ----------
    event
        A decoded event that is no duplicate; changed in place and returned.
    memory
        What the steps remember of the event's identifier; changed in place, also when the event is rejected.
    rules
        Dictionaries.
    corrections
        Gets a code for everything that was changed.

    Raises
    ------
    Rejected
        The event can't be used.
    """
    place = memory.place
    if place is not None and event.event_time_ms - place.time_ms > KEEP_MS:
        memory.place = None
    for step in STEPS.get(event.__class__, ()):
        step(event, memory, rules, corrections)
    return event
