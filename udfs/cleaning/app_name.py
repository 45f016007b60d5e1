"""App and host names as probes write them -> the one name and the category of the app dictionary."""

from __future__ import annotations

from schemas.cleaning_memory import CleaningMemory
from schemas.events import AppUse
from schemas.rules import Rules
from udfs.cleaning.correction import Correction

MAX_PARENTS = 3
"""Parent domains of a host that are looked up: "img.m.shop.example" is of "shop.example"."""


def app_name(event: AppUse, memory: CleaningMemory, rules: Rules, corrections: list[str]) -> None:
    """Name the app as the dictionary does, found by the app, else by the host or its parent domains.

    The dictionary's category fills an empty one only: the probe has seen the flow. Not found: left as it is.
    """
    apps = rules.dictionaries.apps
    found = apps.get(event.app.lower())
    if found is None:
        host = event.host
        if not host:
            return
        host = host.lower()
        found = apps.get(host)
        for _ in range(MAX_PARENTS):
            if found is not None:
                break
            host = host.partition(".")[2]
            if "." not in host:  # a bare top-level domain is nobody's
                return
            found = apps.get(host)
        if found is None:
            return
    if event.app != found.name:
        event.app = found.name
        corrections.append(Correction.APP_NORMALISED)
    if not event.category and found.category:
        event.category = found.category
        corrections.append(Correction.CATEGORY_FILLED)
