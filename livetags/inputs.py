"""What `--feed` and `--input` say, resolved: which files or topics a run reads."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from schemas.run import FeedInput
from sources import FEEDS, feeds_named
from sources.feed import Feed
from sources.records import input_files

KAFKA_SCHEME = "kafka://"


@dataclass(frozen=True)
class Input:
    """One feed and where its records are: files, or a topic."""

    feed: Feed
    files: tuple[Path, ...] = ()
    bootstrap: str = ""
    topic: str = ""

    @property
    def name(self) -> str:
        """The input as a person would write it; also how the ledger of runs tells inputs apart."""
        if self.bootstrap:
            return f"{KAFKA_SCHEME}{self.bootstrap}/{self.topic}"
        paths = [str(file.resolve()) for file in self.files]
        return paths[0] if len(paths) == 1 else json.dumps(paths)

    def as_feed_input(self) -> FeedInput:
        """What the job is given."""
        if self.bootstrap:
            return FeedInput(self.feed.name, "kafka", (self.topic,), self.bootstrap, self.feed.linked)
        return FeedInput(self.feed.name, "files", tuple(file.name for file in self.files), linked=self.feed.linked)


def resolve(feed_name: str, where: str) -> list[Input]:
    """Inputs for ``--feed feed_name --input where``.

    Raises
    ------
    ValueError, FileNotFoundError, KeyError
        With a text that says what was expected.
    """
    feeds = feeds_named(feed_name)
    if where.startswith(KAFKA_SCHEME):
        return _topics(feeds, where)
    path = Path(where)
    if path.is_file() and len(feeds) > 1:
        msg = f"--feed all reads a folder or kafka://host:port, got the file {where}: name its feed with --feed"
        raise ValueError(msg)
    if path.is_file():
        _refuse_other_feeds_file(feeds[0], path)
    found = [(feed, tuple(input_files(feed, path, len(feeds) == 1, FEEDS))) for feed in feeds]
    inputs = [Input(feed, files) for feed, files in found if files]
    if not inputs:
        expected = ", ".join(f"{feed.name}*{feed.file_suffix}" for feed in feeds)
        msg = f"folder {where} holds no file of any feed: expected {expected}, also with .gz"
        raise FileNotFoundError(msg)
    return inputs


def _refuse_other_feeds_file(feed: Feed, path: Path) -> None:
    name = path.name.removesuffix(".gz")
    if name.startswith(feed.name) and name.endswith(feed.file_suffix):
        return
    named = [other.name for other in FEEDS.values() if name == other.name + other.file_suffix]
    endings = [other.name for other in FEEDS.values() if name.endswith(other.file_suffix)]
    others = named or (endings if not name.endswith(feed.file_suffix) else [])
    if others:
        msg = (
            f"{path} looks like a file of feed {' or '.join(others)}; feed {feed.name} reads *{feed.file_suffix}: "
            "name the right feed with --feed, or rename the file"
        )
        raise ValueError(msg)


def _topics(feeds: list[Feed], where: str) -> list[Input]:
    parts = urlsplit(where)
    topic = parts.path.strip("/")
    if not parts.netloc or "/" in topic:
        msg = f"a Kafka input looks like kafka://host:port[,host:port]/topic, got {where}"
        raise ValueError(msg)
    if topic and len(feeds) > 1:
        msg = f"--feed all reads each feed's own topic: leave the topic out of {where}"
        raise ValueError(msg)
    return [Input(feed, bootstrap=parts.netloc, topic=topic or feed.topic) for feed in feeds]


def input_named(feed_name: str, name: str) -> Input:
    """The input that `Input.name` named."""
    feed = feeds_named(feed_name)[0]
    if name.startswith(KAFKA_SCHEME):
        return _topics([feed], name)[0]
    return Input(feed, tuple(Path(file) for file in (json.loads(name) if name.startswith("[") else [name])))
