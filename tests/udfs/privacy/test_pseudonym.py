from __future__ import annotations

import hashlib
import hmac
import json
import re
from base64 import urlsafe_b64decode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.pseudonym_keys import KeysError, PseudonymKeys, new_keys, read_keys, rotated
from udfs.privacy.pseudonym import KeyedPseudonyms

KEYS = PseudonymKeys("k1", {"k1": "11" * 32}, "22" * 32)


def test_a_pseudonym_is_the_hmac_under_its_key() -> None:
    made = KeyedPseudonyms(KEYS).identifier("8613800138000")
    key_id, _, text = made.partition(".")
    digest = hmac.new(bytes.fromhex("11" * 32), b"8613800138000", hashlib.sha256).digest()
    assert key_id == "k1"
    assert urlsafe_b64decode(text) == digest[:15]


@given(st.text(min_size=1), st.text(min_size=1))
def test_pseudonyms_are_stable_distinct_and_say_nothing(one: str, two: str) -> None:
    pseudonyms = KeyedPseudonyms(KEYS)
    assert (pseudonyms.identifier(one) == pseudonyms.identifier(two)) == (one == two)
    assert re.fullmatch(r"k1\.[\w-]{20}", pseudonyms.identifier(one))
    assert pseudonyms.person(one) != pseudonyms.identifier(one)


def test_another_key_gives_another_pseudonym() -> None:
    assert KeyedPseudonyms(new_keys()).identifier("1") != KeyedPseudonyms(new_keys()).identifier("1")


def test_rotation_keeps_the_previous_key_and_the_persons() -> None:
    before, after = KeyedPseudonyms(KEYS), KeyedPseudonyms(rotated(KEYS))
    assert after.identifier("1") != before.identifier("1")
    assert after.previous("1") == before.identifier("1")
    assert before.previous("1") is None
    assert after.person("ref") == before.person("ref")
    again = rotated(rotated(KEYS))
    assert (again.active, again.previous, set(again.keys)) == ("k3", "k2", {"k2", "k3"})


def test_keys_survive_their_document() -> None:
    keys = rotated(new_keys())
    assert read_keys(keys.to_json()) == keys


SECRET = "1" * 64


def document(active: str = "k1", keys: dict[str, str] | None = None, person_key: str = SECRET, **more: str) -> str:
    held = {"k1": SECRET} if keys is None else keys
    return json.dumps({"active": active, "keys": held, "person_key": person_key, **more})


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "not the JSON document"),
        ("{}", "not the JSON document"),
        (document(more="x"), "not the JSON document"),
        (document(keys={}), "name key 'k1' but do not hold it"),
        (document(keys={"k1": "abcd"}), "'k1' must be at least 32 bytes"),
        (document(person_key="zz"), "'person_key' must be at least"),
        (document("p", {"p": SECRET}), "must be a letter"),
        (document(previous="k1"), "is the active"),
    ],
)
def test_a_bad_document_is_refused_without_showing_a_key(text: str, said: str) -> None:
    with pytest.raises(KeysError, match=re.escape(said)) as refused:
        read_keys(text)
    assert "1" * 16 not in str(refused.value)
    assert "livetags keys new" in str(refused.value)


def test_keys_do_not_show_their_secrets() -> None:
    keys = new_keys()
    assert keys.keys["k1"] not in repr(keys)
    assert keys.person_key not in repr(keys)
