"""Made-up people, flows and rules: an operator's many subscriptions, of which an event concerns a few.

A person has 30 of 2,000 apps and uses some of them more than others; popular ones are had by more people (the cube of a
uniform number); there are 12 categories. Of 5,000 rules 26 are the shipped scenes; the others look at one app, one
search word, one district or the weight of one app each, as subscriptions do that each belong to some partner, shop or
place. Those on the opening of an app, two fifths of them, ask for a regular of the app; or for nobody in particular,
and then nearly every event makes one fire.
"""

from __future__ import annotations

from collections.abc import Iterator
from random import Random
from typing import Any
from zlib import crc32

from schemas.pb.livetags.v1.consent_pb2 import (
    CONSENT_DECISION_GRANTED,
    CONSENT_LIST_NECESSARY,
    CONSENT_LIST_OPTIONAL,
    ConsentRecord,
)
from schemas.pb.livetags.v1.dpi_pb2 import DpiRecord
from schemas.pb.livetags.v1.link_pb2 import LinkRecord
from schemas.trigger_rule import TriggerRule

PEOPLE = 10_000
PROBES = 500
APPS, APPS_EACH = 2_000, 30
CATEGORIES = (
    "video",
    "music",
    "games",
    "news",
    "finance",
    "sport",
    "travel",
    "food",
    "health",
    "school",
    "chat",
    "maps",
)
PROBE_APP = "probe app"
PROBE_RULE = "probe"
SEED = 7


def subscriber(number: int) -> str:
    """Identifier of a person; the first `PROBES` are the probes."""
    return f"{8_610_000_000_000 + number}"


def introductions(time_ms: int) -> Iterator[tuple[str, bytes, bytes]]:
    """Everybody's link and consents, as (feed, key, value): four records a person."""
    for number in range(PROBES + PEOPLE):
        who = subscriber(number)
        link = LinkRecord(identifier=who, record_id=f"l{number}", event_time_ms=time_ms, person_ref=f"r{number}")
        yield "link", who.encode(), link.SerializeToString()
    for number in range(PROBES + PEOPLE):
        who = subscriber(number)
        for purpose in ("", "profiling", "marketing"):
            consent = ConsentRecord(
                msisdn=who,
                record_id=f"c{number}{purpose}",
                event_time_ms=time_ms,
                list=CONSENT_LIST_OPTIONAL if purpose else CONSENT_LIST_NECESSARY,
                purpose=purpose,
                decision=CONSENT_DECISION_GRANTED,
                list_version=1,
            )
            yield "consent", who.encode(), consent.SerializeToString()


def flow(number: int, bits: float, more: float, time_ms: int) -> tuple[bytes, bytes]:
    """A flow of one of the people, by two uniform numbers; `number` is its identity."""
    who = subscriber(PROBES + int(more * PEOPLE))
    popular = crc32(f"{who}/{int(bits**2 * APPS_EACH)}".encode()) / 2**32
    app = int(popular**3 * APPS)
    return _flow(who, number, f"app {app}", CATEGORIES[app % len(CATEGORIES)], time_ms)


def probe(number: int, turn: int, time_ms: int) -> tuple[bytes, bytes]:
    """A flow that makes `PROBE_RULE` fire."""
    return _flow(subscriber(turn % PROBES), number, PROBE_APP, "maps", time_ms)


def _flow(who: str, number: int, app: str, category: str, time_ms: int) -> tuple[bytes, bytes]:
    record = DpiRecord(
        subscriber_id=who, record_id=f"f{number}", event_time_ms=time_ms, app=app, category=category, bytes_down=700_000
    )
    return who.encode(), record.SerializeToString()


def probe_rule() -> TriggerRule:
    """Fires at every probe."""
    return _rule(PROBE_RULE, shape="pulse", on="app_use", match={"app": [PROBE_APP]})


def subscriptions(count: int, *, eager: bool = False) -> list[TriggerRule]:
    """So many rules that look at one app, word, district or weight each; `eager` ones fire at nearly every event."""
    rules = []
    random = Random(SEED)
    for number in range(count):
        app = random.randrange(APPS)
        kind = number % 5
        if kind in (0, 1):
            regulars = {} if eager else {"tags": {"uses": f"app:app {app}"}, "when": "uses >= 3.0"}
            match = {"app": [f"app {app}"]}
            rules.append(_rule(f"s{number}", shape="pulse", on="app_use", match=match, cooldown="1d", **regulars))
        elif kind == 2:
            rules.append(
                _rule(f"s{number}", shape="pulse", on="app_use", match={"keyword": [f"word {number}"]}, cooldown="1d")
            )
        elif kind == 3:
            rules.append(
                _rule(f"s{number}", shape="level", on="presence", match={"district": [f"place {number}"]}, hold="20m")
            )
        else:
            rules.append(
                _rule(
                    f"s{number}",
                    shape="level",
                    on="tags",
                    tags={"uses": f"app:app {app}"},
                    when="uses >= 5.0",
                    until="uses < 2.0",
                )
            )
    return rules


def _rule(id_: str, **fields: Any) -> TriggerRule:
    given = {"id": id_, "version": 1, "owner": "bench", "purpose": "marketing", "scene": id_}
    return TriggerRule.model_validate(given | fields)
