"""From a name to the pseudonym the stores know: what each kind of name leads to."""

from __future__ import annotations

from pathlib import Path

import pytest
import redis

from livetags.whose import identifiers_of, whose_is
from schemas.pseudonym_keys import PseudonymKeys, new_keys, rotated
from schemas.redis_keys import identifier_key, profile_key
from schemas.settings import Settings
from udfs.privacy.pseudonym import KeyedPseudonyms

RAW = "8613800000001"


@pytest.fixture(scope="module")
def keys() -> PseudonymKeys:
    return rotated(new_keys())


@pytest.fixture
def settings(keys: PseudonymKeys, tmp_path: Path) -> Settings:
    return Settings(data_dir=tmp_path, pseudonym_keys=keys.to_json())


def test_a_raw_identifier_may_be_known_by_either_key(settings: Settings, keys: PseudonymKeys) -> None:
    pseudonyms = KeyedPseudonyms(keys)
    assert identifiers_of(settings, RAW) == [RAW, pseudonyms.identifier(RAW), pseudonyms.previous(RAW)]
    before = Settings(data_dir=settings.data_dir, pseudonym_keys=new_keys().to_json())
    assert len(identifiers_of(before, RAW)) == 2


def test_a_pseudonym_is_itself_and_never_made_one_of_again(settings: Settings, keys: PseudonymKeys) -> None:
    pseudonyms = KeyedPseudonyms(keys)
    for known in (pseudonyms.person("x"), pseudonyms.identifier(RAW), pseudonyms.previous(RAW)):
        assert known is not None
        assert identifiers_of(settings, known) == [known]


def test_without_keys_every_name_is_taken_as_it_is(tmp_path: Path) -> None:
    assert identifiers_of(Settings(data_dir=tmp_path), "900") == ["900"]


@pytest.mark.stores
def test_whose(settings: Settings, keys: PseudonymKeys, valkey: str, prefix: str) -> None:
    chosen = settings.model_copy(update={"redis_url": Settings(redis_url=valkey).redis_url, "redis_key_prefix": prefix})
    pseudonyms = KeyedPseudonyms(keys)
    person, active, previous = pseudonyms.person("x"), pseudonyms.identifier(RAW), pseudonyms.previous(RAW)
    assert previous is not None
    client = redis.Redis.from_url(valkey)

    # nobody is known: a raw number becomes a pseudonym, which is nobody's yet
    assert whose_is(chosen, RAW) == active
    assert whose_is(chosen, person) == person

    # known under the previous key only
    client.set(identifier_key(prefix, previous), person)
    assert whose_is(chosen, RAW) == person
    client.rename(identifier_key(prefix, previous), identifier_key(prefix, active))
    assert whose_is(chosen, RAW) == person
    assert whose_is(chosen, active) == person

    # an identifier nobody is linked to has a profile of its own, and an id that came as a pseudonym has one too
    client.delete(identifier_key(prefix, active))
    client.hset(profile_key(prefix, active), "_version", "x")
    assert whose_is(chosen, RAW) == active
    client.hset(profile_key(prefix, "900"), "_version", "x")
    assert whose_is(chosen, "900") == "900"
