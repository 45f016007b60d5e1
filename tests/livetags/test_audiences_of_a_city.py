"""Audiences of a simulated city: what readers of the hot store see and what the state holds put the same people in."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from city.building import build
from livetags.audience_vocabulary import audience_vocabulary
from livetags.in_process import replay
from livetags.inputs import resolve
from livetags.profile_tags import tags_at
from schemas import state
from schemas.pseudonym_keys import new_keys
from schemas.settings import Settings
from schemas.state import Profile
from serving.audience.expression import parse
from serving.audience.membership import PersonTags, heaviest, in_audience, person_tags
from serving.audience.vocabulary import Vocabulary
from serving.tag_view import TagView
from udfs.privacy.pseudonym import KeyedPseudonyms
from udfs.profile.decay import decayed
from udfs.profile.snapshot import snapshot

DAY_MS = 86_400_000


class City:
    """A city's people: their state, their newest hot profiles, and the vocabulary of its dictionaries."""

    def __init__(self, folder: Path) -> None:
        build(folder, 60, 20, 3)
        settings = Settings(data_dir=folder / "data", dictionaries_dir=folder / "dictionaries")
        self.vocabulary: Vocabulary = audience_vocabulary(settings)
        dictionaries = self.vocabulary.rules.dictionaries
        inputs, pseudonyms = resolve("all", str(folder)), KeyedPseudonyms(new_keys())
        replayed = replay(inputs, settings, pseudonyms, dictionaries, int(time.time() * 1000))
        self.profiles = {user: state.decode(blob) for user, blob in replayed.people.items()}
        self.end_ms = max(profile.last_event_ms for profile in self.profiles.values())

    def by_state(self, at_ms: int) -> dict[str, PersonTags]:
        return {user: tags_at(each, self.vocabulary.rules, at_ms) for user, each in self.profiles.items()}

    def by_readers(self, at_ms: int) -> dict[str, PersonTags]:
        return {user: self._read(user, each, at_ms) for user, each in self.profiles.items()}

    def _read(self, user: str, profile: Profile, at_ms: int) -> PersonTags:
        """What is in Redis, decayed as its readers do."""
        hot = snapshot(user, profile, self.vocabulary.rules)
        elapsed_ms = at_ms - hot.as_of_ms
        groups = self.vocabulary.rules.groups
        tags = []
        for tag, last_ms in hot.last_evidence_ms.items():
            half_life_ms = groups[tag.partition(":")[0]].half_life_ms
            weight = decayed(hot.weights[tag], elapsed_ms, half_life_ms)
            tags.append(TagView(tag, weight, hot.weights.get(f"{tag}.mean"), None, last_ms, half_life_ms))
        others = {group: decayed(each, elapsed_ms, groups[group].half_life_ms) for group, each in hot.other.items()}
        return person_tags(at_ms, tags, others, self.vocabulary.rules.weight_floor)


@pytest.fixture(scope="module")
def city(tmp_path_factory: pytest.TempPathFactory) -> City:
    return City(tmp_path_factory.mktemp("city"))


@pytest.mark.parametrize(
    "text",
    [
        "home != work",
        "not home != work",
        "has(commuter)",
        "commutes and segment >= 'mid'",
        "segment < 'premium' and mean(bill) > 80",
        "looks_for_a_home or looks_for_a_car",
        "share(content:video) > 0.2",
        "has(content:video) and not seen(content:video) within '6 hours'",
        'app:今闻 > 1 or "app:今闻" <= 0.01',
        "usage_mb >= 500 and age_band in ('25-34', '35-44')",
        "gender = 'female' and rhythm:night < 2",
        "tired_of_contacts or has(refused:sms)",
        "lives_in near '{district}' within '3 km'",
        "active_area near '{district}' and home != '{district}'",
    ],
)
@pytest.mark.parametrize("later_days", [0, 3, 45])
def test_readers_and_state_agree_on_everybody(city: City, text: str, later_days: int) -> None:
    at_ms = city.end_ms + later_days * DAY_MS
    by_state, by_readers = city.by_state(at_ms), city.by_readers(at_ms)
    homes = [home for person in city.by_state(city.end_ms).values() if (home := heaviest(person, "home"))]
    tree = parse(text.format(district=max(set(homes), key=homes.count)), city.vocabulary)
    inside = {user for user, person in by_state.items() if in_audience(tree, person)}
    assert len(inside ^ {user for user, person in by_readers.items() if in_audience(tree, person)}) == 0
    if later_days == 0:
        assert 0 < len(inside) < len(by_state)


def test_the_example_that_was_asked_for_finds_people_who_fit(city: City) -> None:
    people = city.by_state(city.end_ms)
    someone = next(
        person
        for person in people.values()
        if (work := heaviest(person, "work")) and (home := heaviest(person, "home")) and home != work
    )
    work = heaviest(someone, "work")
    text = f"works_in = '{work}' and home_region != work_region and property_app <= 0.6 and active_area near '{work}'"
    tree = parse(text, city.vocabulary)
    assert in_audience(tree, someone)
    for person in people.values():
        fits = heaviest(person, "work") == work and heaviest(person, "home") not in (None, work)
        assert in_audience(tree, person) <= fits
