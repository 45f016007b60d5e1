"""Documents that could drift: generated pages, commands, links, and no machine's own paths."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from livetags.cli import app
from livetags.reference import PAGES
from sources import FEEDS

ROOT = Path(__file__).parents[2]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])


@pytest.mark.parametrize("name", PAGES)
def test_generated_pages_are_up_to_date(name: str) -> None:
    assert (ROOT / "docs" / name).read_text() == PAGES[name](), "run `make docs`"


def test_every_command_is_in_the_readme() -> None:
    readme = (ROOT / "README.md").read_text()
    for command in app.registered_commands:
        name = command.name or (command.callback.__name__ if command.callback else "")
        assert re.search(rf"`(livetags |[a-z, `]*\b){name}\b", readme), f"README.md does not mention {name}"


def test_the_first_screen_has_the_two_commands() -> None:
    first_screen = "\n".join((ROOT / "README.md").read_text().splitlines()[:20])
    assert "make run" in first_screen
    assert "make test" in first_screen


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_somewhere(document: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)", document.read_text()):
        if "://" not in target:
            assert (document.parent / target).exists(), f"{document.name} links to {target}"


def test_the_page_about_triggers_says_for_which_feeds_no_rule_fires() -> None:
    text = (ROOT / "docs" / "triggers.md").read_text()
    section = text.partition("## For whom rules never fire")[2].partition("\n## ")[0]
    never, _, linked = section.partition("All other feeds are linked: ")
    asked_for = {"link", "rights", "rebuild"}  # about persons, not of what they do
    for feed in FEEDS.values():
        if feed.linked and feed.name not in asked_for:
            assert re.search(rf"\b{feed.name}\b", linked), feed.name
        elif not feed.linked:
            assert f"`{feed.name}`" in never
