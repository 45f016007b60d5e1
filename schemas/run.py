"""What one run of a job reads: shipped to the workers inside the job graph, so it holds no secrets."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from schemas.position import unpack_position


class FeedInput(Struct, frozen=True):
    """One feed of a run.

    Attributes
    ----------
    feed
        Feed's name.
    transport
        ``files`` or ``kafka``.
    logs
        Names that dead letters carry: the files in order, or the topic.
    bootstrap
        Brokers (``kafka``).
    linked
        Whether its ids are linked to persons.
    """

    feed: str
    transport: Literal["files", "kafka"]
    logs: tuple[str, ...]
    bootstrap: str = ""
    linked: bool = True


class Run(Struct, frozen=True):
    """One run.

    Attributes
    ----------
    run_id
        Its id.
    inputs
        What it reads; the index is the feed number of positions. All are files, or all are topics.
    bounded
        Whether the input ends.
    spool
        Where the records of all files lie, in the order of a replay (``files``).
    erased
        Pseudonym -> time up to which everything of it was erased before the run began.
    dictionary_updates
        Folder, as a URI, in which new versions of the dictionaries appear while the job runs; "" for none.
    rule_updates
        Folder, as a URI, in which rules of scene triggers are, and appear while the job runs; "" for none.
    """

    run_id: str
    inputs: tuple[FeedInput, ...]
    bounded: bool
    spool: str = ""
    erased: dict[str, int] = {}
    dictionary_updates: str = ""
    rule_updates: str = ""


def locate(run: Run, position: int) -> tuple[str, str, int, int]:
    """Where a record lies, as dead letters say it: feed, log, partition (0 of a file), offset or record number."""
    feed_number, partition, offset = unpack_position(position)
    source = run.inputs[feed_number]
    if source.transport == "files":
        return source.feed, source.logs[partition], 0, offset
    return source.feed, source.logs[0], partition, offset
