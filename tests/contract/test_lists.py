"""The hand-kept lists are complete and their names fit: families, groups, feeds, packages, generated code."""

from __future__ import annotations

import importlib
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from sources import FEEDS, feeds_named
from sources.feed import Feed
from udfs.tags import FAMILIES, GROUPS

ROOT = Path(__file__).parents[2]
FAMILY_FILES = sorted(file.stem for file in (ROOT / "udfs" / "tags").glob("*.py") if file.stem != "__init__")
FEED_FILES = sorted(file.stem for file in (ROOT / "sources").glob("*.py") if file.stem != "__init__")
PROTOS = sorted((ROOT / "schemas" / "proto").rglob("*.proto"))


@pytest.mark.parametrize("name", FAMILY_FILES)
def test_every_family_file_is_listed(name: str) -> None:
    assert importlib.import_module(f"udfs.tags.{name}") in FAMILIES


def test_only_family_files_are_listed_and_each_folds_its_own_kind_of_event() -> None:
    assert sorted(family.__name__ for family in FAMILIES) == [f"udfs.tags.{name}" for name in FAMILY_FILES]
    assert len({family.EVENT for family in FAMILIES}) == len(FAMILIES)


def test_group_names_are_valid_and_unique() -> None:
    names = [group.name for family in FAMILIES for group in family.GROUPS]
    assert len(names) == len(set(names)) == len(GROUPS)
    for name in names:
        assert re.fullmatch("[a-z][a-z_]*", name), name


@pytest.mark.parametrize("name", GROUPS)
def test_every_group_has_kind_unit_meaning_and_a_half_life(name: str) -> None:
    group = GROUPS[name]
    assert group.kind in ("weight", "numeric")
    assert group.unit
    assert group.meaning.endswith(".")
    assert group.half_life_ms > 0


def test_every_feed_file_is_listed() -> None:
    modules = [importlib.import_module(f"sources.{name}") for name in FEED_FILES]
    feeds = {module.FEED.name: module.FEED for module in modules if hasattr(module, "FEED")}
    assert feeds == FEEDS
    assert len(feeds) == sum(hasattr(module, "FEED") for module in modules)


@pytest.mark.parametrize("attribute", ["name", "topic", "file_suffix"])
def test_feeds_differ_in_name_topic_and_suffix(attribute: str) -> None:
    values = [getattr(feed, attribute) for feed in FEEDS.values()]
    assert len(values) == len(set(values))
    assert all(values)


@pytest.mark.parametrize("feed", FEEDS.values(), ids=FEEDS)
def test_a_feed_is_named_after_its_file_and_found_by_its_name(feed: Feed) -> None:
    assert importlib.import_module(f"sources.{feed.name}").FEED is feed
    assert re.fullmatch("[a-z_]+", feed.name)
    assert feed.file_suffix.startswith(".")
    assert feeds_named(feed.name) == [feed]


def test_all_is_every_feed_and_an_unknown_one_is_refused_with_the_known() -> None:
    assert feeds_named("all") == list(FEEDS.values())
    with pytest.raises(KeyError, match="unknown feed 'billing': expected one of household, dpi or all"):
        feeds_named("billing")


def test_no_package_of_ours_hides_one_of_pythons() -> None:
    packages = {file.parent.name for file in ROOT.glob("*/__init__.py")}
    assert {"schemas", "sources", "udfs", "sinks", "jobs"} <= packages
    assert packages.isdisjoint(sys.stdlib_module_names)


def test_every_package_of_ours_but_the_bench_is_packaged() -> None:
    include = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"]["find"]["include"]
    packages = {file.parent.name for file in ROOT.glob("*/__init__.py")}
    assert {pattern.rstrip("*") for pattern in include} == packages - {"bench"}


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
    assert "dpi.proto" in [proto.name for proto in PROTOS]
