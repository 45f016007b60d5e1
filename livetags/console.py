"""What all commands share: the application, where output goes, and how settings are given."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic import ValidationError
from rich.console import Console
from rich.text import Text

from schemas.settings import Settings

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
# no emoji: a tag named "x:y" would be shown as a picture
out = Console(emoji=False)
err = Console(stderr=True, emoji=False)

SettingsFile = Annotated[
    Path | None, typer.Option("--settings", help="YAML file of settings; also LIVETAGS_SETTINGS", dir_okay=False)
]
SetOption = Annotated[
    list[str] | None, typer.Option("--set", help="one setting, name=value; lists and maps as JSON; may repeat")
]
AsJson = Annotated[bool, typer.Option("--json", help="print JSON, for programs")]


def stacked(first: str, *more: str) -> Text:
    """A cell of several lines, the first of which counts most: so a table with much to say fits a narrow terminal."""
    text = Text(first)
    for each in more:
        text.append(f"\n{each}", style="dim")
    return text


def counted(number: int, one: str, many: str = "") -> str:
    """A number with its noun: ``1 rule``, ``1,200 rules``, ``2 people``."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def load_settings(file: Path | None, assignments: list[str] | None) -> Settings:
    """Settings from flags over environment over file.

    Raises
    ------
    ValueError
        Naming the setting and what was expected.
    """
    values: dict[str, Any] = {}
    for assignment in assignments or []:
        name, separator, text = assignment.partition("=")
        if not separator:
            msg = f"--set expects name=value, got {assignment!r}"
            raise ValueError(msg)
        try:
            values[name] = json.loads(text)
        except ValueError:
            values[name] = text
    try:
        return Settings.from_file(file, **values) if file is not None else Settings(**values)
    except ValidationError as error:
        known = ", ".join(sorted(Settings.model_fields))
        lines = [f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors(include_input=False)]
        unknown = any(e["type"] == "extra_forbidden" for e in error.errors(include_input=False))
        msg = "settings refused: " + "; ".join(lines) + (f"\nknown settings: {known}" if unknown else "")
        raise ValueError(msg) from None


def time_ms(option: str, text: str) -> int:
    """An option's ISO 8601 time, UTC unless it says otherwise, as milliseconds since the epoch.

    Raises
    ------
    ValueError
        Naming the option.
    """
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        msg = f"{option} expects an ISO 8601 time such as 2017-06-30T12:00:00, got {text!r}"
        raise ValueError(msg) from None
    return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1000)
