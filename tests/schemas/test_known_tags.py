"""Which tags rules may name: those the code declares, those of the dictionaries, and nothing where anything can be."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from city.building import build
from livetags.in_process import replay
from livetags.inputs import resolve
from schemas.dictionaries import NO_DICTIONARIES, App, Cell, Dictionaries, District
from schemas.known_tags import known_tags, why_unknown
from schemas.outputs import HistoryBatch, HotBatch
from schemas.pseudonym_keys import new_keys
from schemas.settings import Settings
from sources.dictionaries import load
from udfs.privacy.pseudonym import KeyedPseudonyms
from udfs.tags import GROUPS

DICTIONARIES = Dictionaries(
    cells={"c": Cell(0.0, 0.0, "", "四川", frozenset())},
    districts={"金桥广场": District("mall", "北京", 0.0, 0.0)},
    apps={"douyin": App("抖音", "video"), "抖音": App("抖音", "video")},
    regions={"北京市": "北京", "北京": "北京"},
    keywords=(("二手房", "home_purchase"),),
)


@pytest.mark.parametrize(
    ("group", "known"),
    [
        ("traffic_left", {"none", "under_10", "10-25", "25-50", "50+"}),
        ("bill", {"all"}),
        ("app", {"抖音"}),
        ("content", {"video", "other", "unknown"}),
        ("home", {"金桥广场"}),
        ("travel", {"北京", "四川"}),
        ("region", {"北京"}),
        ("intent", {"home_purchase", "home_purchase_budget", "property", "cars", "renovation"}),
        ("product", None),
        ("device_brand", None),
    ],
)
def test_what_the_code_and_the_dictionaries_know(group: str, known: set[str] | None) -> None:
    assert known_tags(GROUPS[group], DICTIONARIES) == known


@pytest.mark.parametrize("group", ["app", "content", "home", "travel", "region", "intent", "offer"])
def test_where_a_dictionary_lists_nothing_any_tag_will_do(group: str) -> None:
    assert known_tags(GROUPS[group], NO_DICTIONARIES) is None


def test_what_is_said_of_an_unknown_tag() -> None:
    assert why_unknown("rhythm", "nigth", {"night", "morning"}) == (
        "unknown tag 'nigth' of rhythm: did you mean rhythm:night?"
    )
    assert why_unknown("rhythm", "zzz", {"night", "morning"}).endswith("expected one of morning, night")
    assert why_unknown("app", "?", map(str, range(100))).endswith("18, 19 and 88 more")


def test_everything_that_a_city_does_is_known(tmp_path: Path) -> None:
    build(tmp_path, 30, 12, 3)
    settings = Settings(data_dir=tmp_path / "data", dictionaries_dir=tmp_path / "dictionaries")
    dictionaries = load(settings.dictionaries_folder())
    found: set[tuple[str, str]] = set()

    def note(_: HotBatch, history: HistoryBatch) -> None:
        found.update((group, tag) for event in history.events for group, tag, _ in event[4])

    inputs = resolve("all", str(tmp_path))
    replay(inputs, settings, KeyedPseudonyms(new_keys()), dictionaries, int(time.time() * 1000), on_batch=note)
    all_known = {name: known_tags(group, dictionaries) for name, group in GROUPS.items()}
    known = {name: tags for name, tags in all_known.items() if tags is not None}
    looked_at = {(group, tag) for group, tag in found if group in known}
    assert {(group, tag) for group, tag in looked_at if tag not in known[group]} == set()
    assert {"app", "content", "home", "work", "travel", "region", "intent"} <= {group for group, _ in looked_at}
