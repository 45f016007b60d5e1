"""The hand-kept lists are complete and their names fit: families, groups, feeds, packages, generated code."""

from __future__ import annotations

import importlib
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from types import ModuleType
from typing import get_args

import pytest

from schemas.tag_group import Kind
from sources import FEEDS, feeds_named
from sources.feed import Feed
from udfs.tags import FAMILIES, FEED_OF, GROUPS, families_of

ROOT = Path(__file__).parents[2]
TAG_FILES = sorted(file.stem for file in (ROOT / "udfs" / "tags").glob("*.py") if file.stem != "__init__")
TAG_MODULES = {name: importlib.import_module(f"udfs.tags.{name}") for name in TAG_FILES}
# a family names the events it looks at and declares groups; what else is in the folder helps families
FAMILY_FILES = [name for name, module in TAG_MODULES.items() if hasattr(module, "EVENTS") or hasattr(module, "GROUPS")]
FEED_FILES = sorted(file.stem for file in (ROOT / "sources").glob("*.py") if file.stem != "__init__")
PROTOS = sorted((ROOT / "schemas" / "proto").rglob("*.proto"))


@pytest.mark.parametrize("name", FAMILY_FILES)
def test_every_family_file_is_listed_and_is_whole(name: str) -> None:
    module = TAG_MODULES[name]
    assert module in FAMILIES
    assert module.EVENTS
    assert module.GROUPS
    assert callable(module.evidence)


def test_only_family_files_are_listed_and_each_once() -> None:
    assert sorted(family.__name__ for family in FAMILIES) == [f"udfs.tags.{name}" for name in FAMILY_FILES]


@pytest.mark.parametrize("name", sorted(set(TAG_FILES) - set(FAMILY_FILES)))
def test_a_helper_of_families_turns_no_event_into_evidence(name: str) -> None:
    assert not hasattr(TAG_MODULES[name], "evidence")


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.__name__)
def test_an_event_of_a_family_is_looked_at_by_it_and_has_a_feed(family: ModuleType) -> None:
    for kind in family.EVENTS:
        assert FEED_OF[kind] in FEEDS
        event = kind("u", 1, 2, *[None] * (len(kind.__struct_fields__) - 3))
        assert family.__name__.rpartition(".")[2] in [each.name for each in families_of(event)]
    assert len(set(family.EVENTS)) == len(family.EVENTS)


def test_no_other_kind_of_event_is_evidence_for_anything() -> None:
    assert FEED_OF.keys() == {kind for family in FAMILIES for kind in family.EVENTS}


def test_group_names_are_valid_and_unique() -> None:
    names = [group.name for family in FAMILIES for group in family.GROUPS]
    assert len(names) == len(set(names)) == len(GROUPS)
    for name in names:
        assert re.fullmatch("[a-z][a-z_]*", name), name


@pytest.mark.parametrize("name", GROUPS)
def test_every_group_has_kind_unit_meaning_and_a_half_life(name: str) -> None:
    group = GROUPS[name]
    assert group.kind in get_args(Kind)
    assert group.unit
    assert group.meaning.endswith(".")
    assert group.half_life_ms > 0


def test_every_feed_file_is_listed() -> None:
    modules = [importlib.import_module(f"sources.{name}") for name in FEED_FILES]
    feeds = {module.FEED.name: module.FEED for module in modules if hasattr(module, "FEED")}
    assert feeds == FEEDS
    assert len(feeds) == sum(hasattr(module, "FEED") for module in modules)


@pytest.mark.parametrize("attribute", ["name", "topic"])
def test_feeds_differ_in_name_and_topic(attribute: str) -> None:
    values = [getattr(feed, attribute) for feed in FEEDS.values()]
    assert len(values) == len(set(values))
    assert all(values)


def test_no_feeds_name_begins_with_anothers() -> None:
    """Feeds share endings, so files are told apart by how their names begin."""
    for name in FEEDS:
        assert [other for other in FEEDS if name.startswith(other)] == [name]


def test_feeds_of_one_population_are_linked_or_none_is() -> None:
    by_population: dict[str, set[bool]] = {}
    for feed in FEEDS.values():
        by_population.setdefault(feed.population, set()).add(feed.linked)
    assert all(len(linked) == 1 for linked in by_population.values())


@pytest.mark.parametrize("feed", FEEDS.values(), ids=FEEDS)
def test_a_feed_has_samples_or_has_none(feed: Feed) -> None:
    assert (feed.sample is None) == (feed.sample_events == 0)


@pytest.mark.parametrize("feed", FEEDS.values(), ids=FEEDS)
def test_a_feed_is_named_after_its_file_and_found_by_its_name(feed: Feed) -> None:
    assert importlib.import_module(f"sources.{feed.name}").FEED is feed
    assert re.fullmatch("[a-z_]+", feed.name)
    assert feed.file_suffix.startswith(".")
    assert feeds_named(feed.name) == [feed]


def test_all_is_every_feed_and_an_unknown_one_is_refused_with_the_known() -> None:
    assert feeds_named("all") == list(FEEDS.values())
    with pytest.raises(KeyError, match=f"unknown feed 'bills': expected one of {', '.join(FEEDS)} or all"):
        feeds_named("bills")


def test_no_package_of_ours_hides_one_of_pythons() -> None:
    packages = {file.parent.name for file in ROOT.glob("*/__init__.py")}
    assert {"schemas", "sources", "udfs", "sinks", "jobs"} <= packages
    assert packages.isdisjoint(sys.stdlib_module_names)


def test_every_package_of_ours_but_the_bench_is_packaged() -> None:
    include = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"]["find"]["include"]
    packages = {file.parent.name for file in ROOT.glob("*/__init__.py")}
    data = {"scenes"}  # no code, but an installed livetags has them
    assert {pattern.rstrip("*") for pattern in include} == packages - {"bench"} | data


@pytest.mark.parametrize("proto", PROTOS, ids=lambda proto: proto.stem)
def test_generated_code_is_up_to_date_with_its_proto(proto: Path, tmp_path: Path) -> None:
    include = ROOT / "schemas" / "proto"
    subprocess.run(
        [
            sys.executable,
            "-m",
            "grpc_tools.protoc",
            f"-I{include}",
            f"--python_out={tmp_path}",
            f"--pyi_out={tmp_path}",
            str(proto),
        ],
        check=True,
    )
    generated = sorted(file for file in tmp_path.rglob("*") if file.is_file())
    assert [file.name for file in generated] == [f"{proto.stem}_pb2.py", f"{proto.stem}_pb2.pyi"]
    for file in generated:
        kept = ROOT / "schemas" / "pb" / file.relative_to(tmp_path)
        assert kept.read_text() == file.read_text(), f"{kept} is not what {proto} generates"


def test_there_are_protos_to_check() -> None:
    assert {"dpi", "cdr", "consent", "link", "rights", "rebuild"} <= {proto.stem for proto in PROTOS}


def test_every_feed_of_protobuf_has_its_proto() -> None:
    names = {feed.name for feed in FEEDS.values() if feed.file_format == "delimited"}
    assert {proto.stem for proto in PROTOS} == names | {"trigger"}  # which goes out, not in
