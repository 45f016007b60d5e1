"""docs/audiences.md: every example is read, every mistake says what the page says, the words can be used."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from audience_trees import PLAIN, VOCABULARY

from schemas.settings import Settings
from serving.audience.explain import explain
from serving.audience.expression import parse
from serving.audience.expression_error import ExpressionError
from serving.audience.grammar import MAX_CHARS, MAX_NESTING
from serving.audience.meaning import MAX_CONDITIONS, NEAR_KM
from serving.audience.private_count import error_of
from serving.audience.words import with_words

PAGE = (Path(__file__).parents[2] / "docs" / "audiences.md").read_text()


def rows(heading: str) -> list[list[str]]:
    section = PAGE.partition(f"## {heading}\n")[2].partition("\n## ")[0]
    lines = [line.strip("|").split("|") for line in section.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line] for line in lines[2:]]


FORMS = rows("Every form")
MISTAKES = rows("Mistakes, and what they say")


def test_the_tables_are_there() -> None:
    assert len(FORMS) > 15
    assert len(MISTAKES) > 5


@pytest.mark.parametrize("example", [row[1].strip("`") for row in FORMS])
def test_an_example_is_read_and_explained(example: str) -> None:
    assert explain(parse(example, VOCABULARY), VOCABULARY).lines


@pytest.mark.parametrize(("written", "said"), [(row[0].strip("`"), row[1]) for row in MISTAKES])
def test_a_mistake_says_what_the_page_says(written: str, said: str) -> None:
    with pytest.raises(ExpressionError) as refused:
        parse(written, VOCABULARY)
    assert refused.value.reason == said


def test_the_example_at_the_top_is_read() -> None:
    [example] = re.findall(r"```\n(works_in .*)\n```", PAGE)
    assert explain(parse(example, VOCABULARY), VOCABULARY).groups


def test_the_words_can_be_used(tmp_path: Path) -> None:
    [words] = re.findall(r"```yml\n(.*?)```", PAGE, re.DOTALL)
    (tmp_path / "words.yaml").write_text(words)
    assert "sleeps_in" in with_words(PLAIN, [tmp_path / "words.yaml"]).words


def test_the_figures_of_the_page_are_those_of_the_settings() -> None:
    chosen = Settings()
    assert f"within {error_of(chosen.private_count_epsilon)} of it" in PAGE
    assert f"the default of {chosen.private_count_epsilon}" in PAGE
    assert f'"fewer than {chosen.private_count_minimum}"' in PAGE
    for limit in (MAX_CHARS, MAX_CONDITIONS, MAX_NESTING):
        assert f"{limit:,} " in PAGE
    assert f"at most {NEAR_KM:g} km" in PAGE


def test_other_ways_to_write_that_the_page_names_are_read() -> None:
    for within in ("36 hours", "90m", "2w"):
        assert f"'{within}'" in PAGE
        parse(f"seen(app:WeChat) within '{within}'", VOCABULARY)
    parse("home = 'O''Hare'", VOCABULARY)
