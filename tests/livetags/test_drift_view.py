"""What a drift looks like: the rows in the terminal, the sentence, the picture."""

from __future__ import annotations

import sys
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pytest
from alarm_rows import alarm
from rich.console import Console

from livetags.alarm_sentence import sentence
from livetags.behaviour import SHOWN_TAGS, Behaviour, behaviour
from livetags.drift_bars import lines
from livetags.drift_picture import PictureError, draw, smoothed_shares
from schemas.outputs import Alarm
from serving.daily_shares import DayOfTag

FIRST = date(2026, 1, 1)
USER = "p.AbCdEfGhIjKlMnOpQrSt"


def lived(days: int, at_day: int, alarms: list[Alarm]) -> Behaviour:
    """From music to games, with ten kinds of other things, and nothing at all on the second day."""
    found = []
    for day in range(days):
        tag = "content:games" if day >= at_day else "content:music"
        if day != 1:
            found.append(DayOfTag(FIRST + timedelta(days=day), tag, 20))
            found += [DayOfTag(FIRST + timedelta(days=day), f"content:other{n}", 10 - n) for n in range(10)]
    return behaviour(USER, found, alarms, 0)


def shown(found: Behaviour, width: int, coloured: bool = False) -> list[str]:
    console = Console(width=width, force_terminal=coloured, color_system="truecolor" if coloured else None)
    with console.capture() as captured:
        for line in lines(found, width, coloured):
            console.print(line)
    return captured.get().splitlines()


def test_tags_of_the_alarms_are_told_apart_even_if_they_are_rare() -> None:
    rare = alarm(rose=[("content:other9", 0.0, 0.1)])
    found = lived(30, 15, [rare])
    assert len(found.tags) == SHOWN_TAGS
    assert {"content:other9", "content:games", "content:music"} <= set(found.tags)
    assert found.events.sum() == 29 * (20 + 55)
    assert found.events[1].sum() == 0
    gone = alarm(rose=[("content:vanished", 0.0, 0.1)])
    assert "content:vanished" not in lived(30, 15, [gone]).tags


def test_no_day_is_an_error() -> None:
    with pytest.raises(ValueError, match="expected at least one"):
        behaviour(USER, [], [], 0)


@pytest.mark.parametrize(("days", "rows", "each"), [(1, 1, "a day"), (45, 45, "a day"), (300, 43, "7 days")])
@pytest.mark.parametrize("width", [60, 80, 200])
def test_any_span_fits_a_screen(days: int, rows: int, each: str, width: int) -> None:
    shown_lines = shown(lived(days, days // 2, []), width)
    bars = [line for line in shown_lines if line[:4].isdigit()]
    assert len(bars) == rows
    assert any(f"a line is {each}," in line for line in shown_lines)
    assert all(len(line) <= width for line in shown_lines)


def test_without_colours_every_tag_has_its_letter_and_the_rows_their_marks() -> None:
    rows = shown(lived(30, 14, [alarm()]), 100)
    before, empty, change, noticed = (
        next(line for line in rows if line.startswith(f"2026-01-{day}")) for day in ("01", "02", "15", "21")
    )
    music = next(letter for letter in "abcdefg" if f"{letter}\N{NO-BREAK SPACE}music" in "\n".join(rows))
    games = next(letter for letter in "abcdefg" if f"{letter}\N{NO-BREAK SPACE}games" in "\n".join(rows))
    assert music in before.split()[1]
    assert games not in before.split()[1]
    assert empty.split() == ["2026-01-02", "0"]
    assert games in change.split()[1]
    assert change.endswith("◆ change")
    assert noticed.endswith("▲ ↻ generation 1, refined")


def test_with_colours_bars_are_as_wide_as_one_another() -> None:
    rows = [line for line in shown(lived(30, 14, []), 100, coloured=True) if "2026-01-" in line and "-02" not in line]
    assert len({row.count("█") for row in rows}) == 1


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (
            alarm(),
            "games 2 % -> 30 %, music 35 % -> 3 % since about 15 January; noticed on 21 January 2026 (evidence 1.3, "
            "distance 0.31 bit), profile rebuilt (generation 1, refined)",
        ),
        (
            alarm(kind="volume", rose=[], fell=[("", 34.2, 7.9)], status="noted"),
            "34 -> 8 events a day since about 15 January; noticed on 21 January 2026 (evidence 1.3), no rebuild",
        ),
        (
            alarm(kind="by_hand", since_day=-7, status="provisional", generation=2),
            "asked for by hand on 21 January 2026, to count from 25 December 2025: profile rebuilt (generation 2, "
            "provisional)",
        ),
    ],
)
def test_an_alarm_is_one_sentence(said: Alarm, expected: str) -> None:
    assert sentence(said, 0) == expected


def test_days_of_a_sentence_are_local() -> None:
    assert "noticed on 22 January" in sentence(alarm(day=20.9), 8 * 3_600_000)


def test_shares_are_means_of_three_days() -> None:
    shares = smoothed_shares(np.array([[2.0, 0.0], [0.0, 2.0], [0.0, 2.0], [0, 0], [0, 0], [0, 0]]))
    assert shares.T.tolist() == [[0.5, 0.5], pytest.approx([1 / 3, 2 / 3]), [0.0, 1.0], [0.0, 1.0], [0, 0], [0, 0]]


def test_the_picture_says_what_is_to_be_seen_and_not_who_it_is(tmp_path: Path) -> None:
    volume = alarm(kind="volume", day=5, since_day=3, rose=[], fell=[("", 30.0, 8.0)], status="noted")
    found = lived(30, 14, [volume, alarm()])
    draw(found, tmp_path / "drift.svg")
    text = (tmp_path / "drift.svg").read_text()
    for word in (
        USER[:8],
        "games",
        "music",
        "the rest",
        "noticed",
        "change, estimated",
        "events a day",
        "rebuilt, gen",
    ):
        assert word in text
    assert USER not in text
    draw(found, tmp_path / "again.svg")
    assert (tmp_path / "again.svg").read_text() == text
    draw(lived(1, 0, []), tmp_path / "drift.png")
    assert (tmp_path / "drift.png").read_bytes().startswith(b"\x89PNG")


def test_another_ending_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PictureError, match=r"ends in \.svg or \.png, got .*\.pdf"):
        draw(lived(3, 1, []), tmp_path / "drift.pdf")


def test_without_matplotlib_the_error_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(PictureError, match=r"pip install 'livetags\[embedded\]', or leave out --out"):
        draw(lived(3, 1, []), tmp_path / "drift.svg")
