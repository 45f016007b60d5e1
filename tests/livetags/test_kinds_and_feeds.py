"""What the vocabulary says of where events come from, held to what the feeds of a city give."""

from __future__ import annotations

from pathlib import Path

import pytest

from city.building import build
from livetags.in_process import replay
from livetags.inputs import resolve
from schemas.events import Event
from schemas.position import FEED_SHIFT
from schemas.pseudonym_keys import new_keys
from schemas.settings import Settings
from sources import FEEDS
from sources.dictionaries import load
from udfs.privacy.pseudonym import KeyedPseudonyms
from udfs.stages.people import People
from udfs.triggers.situation import kind_of
from udfs.triggers.vocabulary import KINDS


def test_each_kind_comes_from_the_feeds_the_vocabulary_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    build(tmp_path, 20, 20, 1)
    settings = Settings(data_dir=tmp_path / "data", dictionaries_dir=tmp_path / "dictionaries")
    inputs = resolve("all", str(tmp_path))
    found: dict[str, set[str]] = {}
    take = People._take

    def noting(self: People, person: str, one: object, position: int, what: Event, *more: object) -> None:
        if position >= 0 and (kind := kind_of(what)):
            found.setdefault(kind, set()).add(inputs[position >> FEED_SHIFT].feed.name)
        take(self, person, one, position, what, *more)  # type: ignore[arg-type]

    monkeypatch.setattr(People, "_take", noting)
    replay(inputs, settings, KeyedPseudonyms(new_keys()), load(settings.dictionaries_folder()), 1_900_000_000_000)
    assert found == {name: set(kind.feeds) for name, kind in KINDS.items() if kind.feeds}
    assert {feed for kind in KINDS.values() for feed in kind.feeds} <= set(FEEDS)
