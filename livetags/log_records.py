"""Reading the inputs of a run again, record by record, as the job saw them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from livetags.embedded.topics import read_all
from livetags.oracle import Record
from schemas.run import FeedInput
from sources import FEEDS
from sources.replay import in_step


def records_of(
    inputs: Sequence[FeedInput],
    files: Sequence[Sequence[Path]],
    max_record_bytes: int,
    until: Sequence[dict[int, int] | None] = (),
) -> Iterator[Record]:
    """Every record of the inputs: ``(feed, log, partition, offset, key, value)``.

    Files in the order of a replay, whatever their feed; topics one after the other.

    Where a record lies is said exactly as the job's dead letters say it: of files the name in `FeedInput.logs`,
    partition 0 and the number from 1; of a topic its name, partition and offset. The key is the one the engine finds:
    the record's own, else the subscriber in the value; None when there is neither.

    Parameters
    ----------
    inputs
        What the run read.
    files
        For each input its files, in the order of its `logs`; empty for a topic.
    max_record_bytes
        The setting: longer values come cut to one byte more, and their key is not looked for.
    until
        For each input the end offset per partition (``topics.end_offsets``), so that records that come in meanwhile are
        left out; None or nothing: to the end as it is now.

    Raises
    ------
    ValueError
        When `files` does not fit `inputs`.
    TopicError
        When a topic can't be read.
    """
    if len(files) != len(inputs):
        msg = f"records_of got {len(inputs)} inputs and {len(files)} lists of files: expected one list per input"
        raise ValueError(msg)
    yield from _of_files(
        [(i, f) for i, f in zip(inputs, files, strict=True) if i.transport == "files"], max_record_bytes
    )
    for number, source in enumerate(inputs):
        if source.transport == "kafka":
            yield from _of_topic(source, max_record_bytes, until[number] if number < len(until) else None)


def _of_files(inputs: Sequence[tuple[FeedInput, Sequence[Path]]], max_record_bytes: int) -> Iterator[Record]:
    for source, files in inputs:
        if len(files) != len(source.logs):
            msg = (
                f"input {source.feed} names {len(source.logs)} logs, got {len(files)} files: expected one file per log"
            )
            raise ValueError(msg)
    feeds = [FEEDS[source.feed] for source, _ in inputs]
    for number, index, record, value in in_step(
        [(feed, files) for feed, (_, files) in zip(feeds, inputs, strict=True)], max_record_bytes
    ):
        source = inputs[number][0]
        key = feeds[number].subscriber(value) if len(value) <= max_record_bytes else None
        yield source.feed, source.logs[index], 0, record, key if _is_text(key) else None, value


def _of_topic(source: FeedInput, max_record_bytes: int, until: dict[int, int] | None) -> Iterator[Record]:
    feed = FEEDS[source.feed]
    topic = source.logs[0]
    for partition, offset, key, value in read_all(source.bootstrap, topic, until):
        if not key and value and len(value) <= max_record_bytes:
            key = feed.subscriber(value)
        yield source.feed, topic, partition, offset, key or None, value


def _is_text(key: bytes | None) -> bool:
    """Whether the spool could carry the key, which it does as JSON text."""
    try:
        return key is not None and bool(key.decode())
    except UnicodeDecodeError:
        return False
