"""What one run of a job reads: shipped to the workers inside the job graph, so it holds no secrets."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct


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
    spool
        Folder of the spooled lanes (``files``).
    bootstrap
        Brokers (``kafka``).
    """

    feed: str
    transport: Literal["files", "kafka"]
    logs: tuple[str, ...]
    spool: str = ""
    bootstrap: str = ""


class Run(Struct, frozen=True):
    """One run: its id, its inputs (their index is the feed number of positions), and whether the input ends."""

    run_id: str
    inputs: tuple[FeedInput, ...]
    bounded: bool
