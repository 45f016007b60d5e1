"""New dictionaries reach a running job by broadcast, and are still in force after a restart from its savepoint."""

from __future__ import annotations

import time
from pathlib import Path

import h3
import pytest
from harness import fresh_settings, hot_client, run

from livetags.dictionary_updates import publish_dictionaries
from livetags.embedded import topics
from livetags.inputs import resolve
from livetags.key_file import ensure_keys
from schemas.pb.livetags.v1.consent_pb2 import CONSENT_DECISION_GRANTED, CONSENT_LIST_OPTIONAL, ConsentRecord
from schemas.pb.livetags.v1.link_pb2 import LinkRecord
from schemas.pb.livetags.v1.signalling_pb2 import SIGNALLING_KIND_LOCATION_UPDATE, SignallingRecord
from schemas.redis_keys import profile_key
from sources import FEEDS
from udfs.privacy.pseudonym import KeyedPseudonyms

pytestmark = [pytest.mark.flink, pytest.mark.stores, pytest.mark.kafka]

T0_MS = 1_767_196_800_000  # 2026-01-01 00:00 in China: night
MINUTE_MS = 60_000
_LATITUDE, _LONGITUDE = 39.9, 116.4


def seen(number: int) -> bytes:
    return SignallingRecord(
        imsi="46000",
        record_id=str(number),
        event_time_ms=T0_MS + number * 20 * MINUTE_MS,
        kind=SIGNALLING_KIND_LOCATION_UPDATE,
        cell_id="cell-1",
    ).SerializeToString()


def write_dictionaries(folder: Path, district: str) -> Path:
    folder.mkdir(parents=True)
    hexagon = h3.latlng_to_cell(_LATITUDE, _LONGITUDE, 8)
    (folder / "cells.csv").write_text(
        f"cell_id,latitude,longitude,province,neighbours\ncell-1,{_LATITUDE},{_LONGITUDE},北京,\n"
    )
    (folder / "districts.csv").write_text(f"h3,district,kind,province\n{hexagon},{district},residential,北京\n")
    return folder


def test_dictionaries_are_replaced_while_the_job_runs(
    bootstrap: str, tmp_path: Path, valkey: str, clickhouse: str
) -> None:
    settings = fresh_settings(tmp_path / "data", valkey, clickhouse, window_ms=100, shards=2)
    pseudonyms = KeyedPseudonyms(ensure_keys(settings))
    for name in ("link", "consent", "signalling"):
        topics.create_topic(bootstrap, FEEDS[name].topic, 1)
    publish = lambda name, values: topics.publish(bootstrap, FEEDS[name].topic, values)  # noqa: E731
    publish(
        "link",
        [
            (
                b"46000",
                LinkRecord(identifier="46000", record_id="1", event_time_ms=T0_MS, person_ref="r").SerializeToString(),
            )
        ],
    )
    consent = ConsentRecord(
        msisdn="46000",
        record_id="2",
        event_time_ms=T0_MS,
        list=CONSENT_LIST_OPTIONAL,
        purpose="location_services",
        decision=CONSENT_DECISION_GRANTED,
        list_version=1,
    )
    publish("consent", [(b"46000", consent.SerializeToString())])
    inputs = [*resolve("link", f"kafka://{bootstrap}"), *resolve("consent", f"kafka://{bootstrap}")]
    inputs += resolve("signalling", f"kafka://{bootstrap}")
    step = 0

    def drive(events_in: int) -> bool:
        """No dictionary yet; then one; then another."""
        nonlocal step
        if step == 0 and events_in >= 2:
            publish("signalling", [(b"46000", seen(1))])
            step = 1
        elif step == 1 and events_in >= 3:
            publish_dictionaries(settings, write_dictionaries(tmp_path / "one", "East Lake"))
            time.sleep(4)
            publish("signalling", [(b"46000", seen(number)) for number in (2, 3)])
            step = 2
        elif step == 2 and events_in >= 5:
            publish_dictionaries(settings, write_dictionaries(tmp_path / "two", "West Lake"))
            time.sleep(4)
            publish("signalling", [(b"46000", seen(number)) for number in (4, 5, 6)])
            step = 3
        return step == 3 and events_in >= 8

    first = run(settings, inputs, bounded=False, interrupted=drive)
    assert first.totals.rejected == {"signalling/cell_unknown": 1}
    key = profile_key(settings.redis_key_prefix, pseudonyms.person("r"))
    hours = {name: float(value) for name, value in hot_client(settings).hgetall(key).items() if name[:5] == "home:"}
    assert hours.keys() == {"home:East Lake", "home:West Lake"}

    # nothing but the savepoint knows the second version now
    for file in (tmp_path / "data" / "dictionary-updates").iterdir():
        file.unlink()
    publish("signalling", [(b"46000", seen(number)) for number in (7, 8)])
    second = run(
        settings, inputs, bounded=False, restore=first.savepoint, interrupted=lambda events_in: events_in >= 10
    )
    assert second.totals.rejected == {"signalling/cell_unknown": 1}
    again = {name: float(value) for name, value in hot_client(settings).hgetall(key).items() if name[:5] == "home:"}
    assert again["home:West Lake"] > hours["home:West Lake"] + 0.5
