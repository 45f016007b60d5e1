"""Writing sample records of a feed to a file or a topic."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from google.protobuf.internal.encoder import _VarintBytes  # type: ignore[attr-defined]

from livetags.embedded import topics
from livetags.inputs import resolve
from livetags.runner import Progress
from sources.feed import Feed

_CHUNK = 10_000
_PARTITIONS = 4


def _samples(feed: Feed, events: int, seed: int) -> Iterator[bytes]:
    if feed.sample is None:
        msg = f"feed {feed.name} has no samples of its own: `livetags city` makes all feeds of the subscribers together"
        raise ValueError(msg)
    return feed.sample(events, seed)


def write_file(feed: Feed, path: Path, events: int, seed: int, progress: Progress) -> int:
    """Write `events` sample records in the feed's file format, atomically; returns how many there were."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    values = _samples(feed, events, seed)
    done = 0
    with part.open("wb") as stream:
        while chunk := list(islice(values, _CHUNK)):
            if feed.file_format == "lines":
                stream.write(b"\n".join(chunk) + b"\n")
            else:
                stream.write(b"".join(_VarintBytes(len(value)) + value for value in chunk))
            done += len(chunk)
            progress.events(done, events)
    part.replace(path)
    return done


def write_topic(feed: Feed, where: str, events: int, seed: int, keyed: bool, progress: Progress) -> int:
    """Publish `events` sample records to the topic, which is made if it is not there; returns how many there were."""
    values = _samples(feed, events, seed)
    source = resolve(feed.name, where)[0]
    topics.create_topic(source.bootstrap, source.topic, _PARTITIONS)

    def records() -> Iterator[tuple[bytes | None, bytes | None]]:
        for value in values:
            yield (feed.subscriber(value) if keyed else None), value

    return topics.publish(source.bootstrap, source.topic, records(), lambda done: progress.events(done, events))
