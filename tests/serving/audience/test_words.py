"""The operator's own words: what they may stand for, and that what is wrong is said with file and line."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from audience_trees import PLAIN, RULES

from livetags.audience_vocabulary import audience_vocabulary
from schemas.settings import Settings
from serving.audience.canonical import canonical
from serving.audience.expression import check_word, parse
from serving.audience.expression_error import ExpressionError
from serving.audience.tree import Some, Top
from serving.audience.vocabulary import Vocabulary
from serving.audience.words import WordsRefused, shipped_words, with_words
from sources.dictionaries import load
from udfs.tags import GROUPS


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "words.yaml"


def test_every_word_that_comes_with_the_project_can_be_used_with_the_packaged_dictionaries() -> None:
    vocabulary = with_words(Vocabulary(GROUPS, Settings().rules(GROUPS, load())))
    assert set(vocabulary.words) == set(yaml.safe_load(shipped_words().read_text()))
    for word, definition in vocabulary.words.items():
        check_word(definition, vocabulary)
        assert word not in GROUPS
    assert canonical(parse("lives_in = 'A3' and news_app > 0.2", vocabulary)) == (
        "home = 'A3' and share(content:news) > 0.2"
    )


def test_a_word_without_meaning_in_the_operators_dictionaries_says_so_when_used(tmp_path: Path) -> None:
    (tmp_path / "apps.csv").write_text("alias,app,category\nneu,Neu,shows\n")
    vocabulary = with_words(Vocabulary(GROUPS, Settings().rules(GROUPS, load(tmp_path))))
    assert parse("works_in = 'A3'", vocabulary)
    with pytest.raises(ExpressionError, match=r"the word news_app stands for .* unknown tag 'news' of content"):
        parse("news_app > 0.2", vocabulary)


def test_words_of_ones_own(file: Path) -> None:
    file.write_text("# ours\nregulars: app:WeChat >= 3 and not has(churn)\nsleeps_in: home\nimportant: segment\n")
    vocabulary = with_words(PLAIN, [file])
    assert canonical(parse("regulars or sleeps_in = 'A3'", vocabulary)) == (
        "(app:WeChat >= 3 and churn:all < 1e-06) or home = 'A3'"
    )
    assert parse("important >= 'high'", vocabulary) == Some((Top("segment", "high"), Top("segment", "premium")))


def test_an_empty_file_has_no_words(file: Path) -> None:
    file.write_text("# nothing yet\n")
    assert with_words(PLAIN, [file]) == with_words(PLAIN)


@pytest.mark.parametrize(
    ("content", "line", "word", "reason"),
    [
        ("a: home\nb: hme\n", 2, "b", "character 1, hme: unknown hme: did you mean home?"),
        ("b: app:WeChat = 3\n", 1, "b", "character 1, app:WeChat = 3: such a number changes all the time"),
        ("b: works_in\n", 1, "b", "unknown works_in"),
        ("b: \"'A3'\"\n", 1, "b", "expected a group, a tag, a share or mean of one, or a condition"),
        ("b: seen(bill)\n", 1, "b", "expected a group, a tag"),
        ("b: 3\n", 1, "b", "expected what it stands for as text"),
        ("b: [home]\n", 1, "b", "expected what it stands for as text"),
        ("b:\n", 1, "b", "expected what it stands for as text"),
        ("\nb c: home\n", 2, "b c", "expected a word of letters, digits and _"),
        ("home: work\n", 1, "home", "is a group of the catalogue"),
        ("Near: work\n", 1, "Near", "is a word of the language"),
        ("a: home\na: work\n", 2, "a", "again, also in line 1: delete one of the two"),
        ("works_in: home\n", 1, "works_in", "already: expected each word once"),
        ("? [a]\n: home\n", 1, "", "expected a word before the colon"),
        ("- home\n", 1, "", "expected words, such as works_in: work"),
        ("a: &x home\nb: *x\n", 2, "", "not YAML: an alias"),
        ("a: home\n---\nb: work\n", 2, "", "not YAML: but found another document"),
        ("a: 'home\n", 2, "", "not YAML"),
        ("a: \x07\n", 1, "", "not YAML"),
    ],
)
def test_what_is_wrong_is_said_with_file_and_line(file: Path, content: str, line: int, word: str, reason: str) -> None:
    file.write_text(content)
    with pytest.raises(WordsRefused) as refused:
        with_words(PLAIN, [file])
    [fault] = refused.value.faults
    assert (fault.file, fault.line, fault.field) == (file, line, word)
    assert reason in fault.reason
    assert str(refused.value).startswith(f"{file}:{line}: ")


def test_all_of_it_is_said_at_once(file: Path) -> None:
    file.write_text("a: hme\nb: home\nc: wrk\n")
    with pytest.raises(WordsRefused) as refused:
        with_words(PLAIN, [file])
    assert [fault.line for fault in refused.value.faults] == [1, 3]


@pytest.mark.parametrize(
    ("content", "reason"), [(b"\xff\xfe", "not UTF-8"), (b"#" * (1 << 18) + b"##", "longer than 262,144 bytes")]
)
def test_files_that_are_no_text(file: Path, content: bytes, reason: str) -> None:
    file.write_bytes(content)
    with pytest.raises(WordsRefused, match=reason):
        with_words(PLAIN, [file])


def test_a_file_that_is_not_there(file: Path) -> None:
    with pytest.raises(WordsRefused, match="can't be read: No such file"):
        with_words(PLAIN, [file])


def test_the_setting_names_the_file(file: Path, tmp_path: Path) -> None:
    file.write_text("sleeps_in: home\n")
    settings = Settings(data_dir=tmp_path / "data", audience_words=file)
    assert audience_vocabulary(settings).words["sleeps_in"] == "home"
    assert "works_in" in audience_vocabulary(Settings(data_dir=tmp_path / "data")).words


def test_a_word_whose_meaning_has_gone_says_so() -> None:
    vocabulary = Vocabulary(GROUPS, RULES, {"gone": "home = 'Atlantis'"})
    with pytest.raises(ExpressionError, match="the word gone stands for home = 'Atlantis', which can't be used"):
        parse("gone and plan = 'plus'", vocabulary)
