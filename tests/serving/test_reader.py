"""Who may read what: a purpose stated, sensitive groups only when asked for, no raw identifiers."""

from __future__ import annotations

import pytest
from made_catalogue import CHANNEL, CONTENT, FAITH, HALF_LIVES_MS, MADE

from schemas.pseudonym_keys import new_keys
from schemas.published_group import published, read_published
from schemas.purposes import PURPOSES
from serving.catalogue import Catalogue, read_catalogue
from serving.pseudonym import checked_pseudonym
from serving.read_errors import CatalogueMissing, PurposeRefused, RawIdentifier, UnknownGroup
from serving.reader import Reader
from udfs.privacy.pseudonym import KeyedPseudonyms
from udfs.tags import GROUPS

FIELDS = {group.name: published(group, HALF_LIVES_MS[group.name]).decode() for group in MADE} | {"_version": "3"}


def catalogue() -> Catalogue:
    return read_catalogue(FIELDS, "lt")


def test_what_is_published_is_what_was_declared() -> None:
    for group in GROUPS.values():
        read = read_published(published(group, 17))
        assert read.half_life_ms == 17
        for name in ("kind", "unit", "meaning", "family", "sources", "purpose", "sensitivity", "stores", "tags"):
            assert getattr(read, name) == getattr(group, name)


@pytest.mark.parametrize(
    ("purpose", "sensitive", "readable"),
    [
        ("profiling", False, {"content", "visit_min"}),
        ("profiling", True, {"content", "visit_min", "faith"}),
        ("marketing", True, {"channel"}),
        ("security", True, set()),
    ],
)
def test_a_reader_gets_the_groups_of_its_purpose(purpose: str, sensitive: bool, readable: set[str]) -> None:
    assert catalogue().readable(Reader("crm", purpose, sensitive)).keys() == readable


def test_every_group_is_readable_for_its_purpose_and_for_no_other() -> None:
    for group in GROUPS.values():
        known = read_published(published(group, 1))
        allowed = {purpose for purpose in PURPOSES if Reader("crm", purpose, sensitive=True).may_read(known)}
        assert allowed == {group.purpose}
        assert Reader("crm", group.purpose).may_read(known) == (group.sensitivity != "sensitive")


def test_a_tag_that_may_not_be_read_is_refused_with_what_to_do() -> None:
    known = catalogue()
    assert known.group_of("content:a:b", Reader("crm", "profiling")).half_life_ms == CONTENT.half_life_ms
    with pytest.raises(PurposeRefused, match="group channel may be read for the purpose marketing only"):
        known.group_of("channel:sms", Reader("crm", "profiling"))
    with pytest.raises(PurposeRefused, match="group faith are sensitive"):
        known.group_of("faith:x", Reader("crm", "profiling"))
    assert known.group_of("faith:x", Reader("crm", "profiling", sensitive=True)).purpose == FAITH.purpose
    with pytest.raises(UnknownGroup, match="no tag group 'chanel'"):
        known.group_of("chanel:sms", Reader("crm", CHANNEL.purpose))


def test_a_catalogue_that_is_missing_or_of_a_newer_build_is_an_error() -> None:
    with pytest.raises(CatalogueMissing, match="no tag groups are published in lt:catalogue"):
        read_catalogue({}, "lt")
    for damage in ("{", '{"kind":"shape"}', "[]"):
        with pytest.raises(CatalogueMissing, match="newer build"):
            read_catalogue(FIELDS | {"content": damage}, "lt")
    more = FIELDS["content"].removesuffix("}") + ',"added_later":1}'
    assert read_catalogue(FIELDS | {"content": more}, "lt").groups == catalogue().groups


@pytest.mark.parametrize("name", ["", "a b", "-a", "a" * 65, "é", "a\n"])
def test_a_readers_name_is_checked(name: str) -> None:
    with pytest.raises(ValueError, match="a reader's name is"):
        Reader(name, "marketing")


def test_a_purpose_is_one_of_those_people_can_consent_to() -> None:
    with pytest.raises(ValueError, match="unknown purpose 'fun': expected one of service, security, marketing"):
        Reader("crm", "fun")


@pytest.mark.parametrize(
    "text", ["13800000001", "8613800000001", "460001234567890", "", "a b", "a/b", "..", "a" * 65, "a\n"]
)
def test_what_is_no_pseudonym_is_refused_without_being_repeated(text: str) -> None:
    with pytest.raises(RawIdentifier, match="expected a pseudonym") as refusal:
        checked_pseudonym(text)
    assert len(text) < 3 or text not in str(refusal.value)


def test_pseudonyms_and_the_households_numbers_pass() -> None:
    keys = KeyedPseudonyms(new_keys())
    for text in (keys.identifier("13800000001"), keys.person("r"), "900", "1228"):
        assert checked_pseudonym(text) == text
