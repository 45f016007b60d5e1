"""The city's truth about its people, as `livetags city` keeps it aside."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TypeVar

import msgspec
from msgspec import Struct, field

T = TypeVar("T")


class Span(Struct):
    """Something true of a subscriber from one time to another, milliseconds since the epoch."""

    from_ms: int
    to_ms: int
    category: str = ""
    intent: str = ""


class Moved(Struct):
    """A move of house."""

    at_ms: int
    to_district: str


class Subscriber(Struct):
    """One line of ``truth/subscribers.jsonl``, as far as it is compared."""

    person_ref: str
    home_district: str
    work_district: str | None = None
    moved: Moved | None = None
    churning: dict[str, int] | None = None
    fraud: str | None = None
    interests: list[Span] = field(default_factory=list)
    intents: list[Span] = field(default_factory=list)
    traits: list[str] = field(default_factory=list)
    from_ms: int = 0
    preferred_channel: str = ""
    device_brand: str = ""
    consents: dict[str, bool] = field(default_factory=dict)


def subscribers(truth: Path) -> list[Subscriber]:
    """Everybody.

    Raises
    ------
    FileNotFoundError
        When there is no truth at that place.
    """
    file = truth / "subscribers.jsonl"
    if not file.is_file():
        msg = f"no truth in {truth}: expected the folder that `livetags city` wrote, with truth/subscribers.jsonl in it"
        raise FileNotFoundError(msg)
    return list(lines_of(file, Subscriber))


def lines_of(file: Path, kind: type[T]) -> Iterator[T]:
    """Lines of a file of JSON objects."""
    decoder: msgspec.json.Decoder[T] = msgspec.json.Decoder(kind)
    with file.open("rb") as stream:
        for line in stream:
            yield decoder.decode(line)
