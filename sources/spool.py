"""Spooling: a log in files made ready for the engine's file source.

The engine's file source knows neither length-delimited protobuf, nor record numbers, nor a cap on a record's length,
and it reads the parts of one large file at the same time, out of order. So files are rewritten, once and with no
decoding, into lanes: a subscriber's records stay in one lane, in order, as a topic's partition would keep them. A lane
is gzip-compressed, which also keeps the engine from splitting it.

A spooled record is a JSON line: ``{"p": position, "k": key, "v": base64 of the value}``.
"""

from __future__ import annotations

import gzip
from binascii import b2a_base64
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from zlib import crc32

import msgspec

from schemas.position import PARTITIONS, pack_position
from sources.feed import Feed
from sources.records import read_records

_encode_text = msgspec.json.Encoder().encode
_PROGRESS_EVERY = 20_000
_FLUSH_EVERY = 2_000


def spool(
    feed: Feed,
    feed_number: int,
    files: Sequence[Path],
    folder: Path,
    lanes: int,
    max_record_bytes: int,
    on_progress: Callable[[int], None] | None = None,
) -> int:
    """Rewrite the files of a feed into `folder`, one file per lane; returns the number of records.

    Parameters
    ----------
    feed, feed_number
        The feed and its number in this run, which positions carry.
    files
        The log's files, in order; a position's partition is the index here.
    lanes
        Parallelism of the source.
    on_progress
        Called now and then with the records so far.
    """
    if len(files) > PARTITIONS:
        msg = (
            f"feed {feed.name} has {len(files):,} files, a position numbers {PARTITIONS:,}: put several logs in a file"
        )
        raise ValueError(msg)
    folder.mkdir(parents=True, exist_ok=True)
    records = 0
    with ExitStack() as stack:
        out = [
            stack.enter_context(gzip.open(folder / f"lane-{lane:03d}.json.gz", "wb", compresslevel=1))
            for lane in range(lanes)
        ]
        waiting: list[list[bytes]] = [[] for _ in out]
        for index, file in enumerate(files):
            base = pack_position(feed_number, index, 0)
            for number, value in read_records(feed, file, max_record_bytes):
                key = feed.subscriber(value) if len(value) <= max_record_bytes else None
                lane = crc32(key) % lanes if key else 0
                waiting[lane].append(
                    b'{"p":%d,"k":%s,"v":"%s"}\n' % (base + number, _text(key), b2a_base64(value, newline=False))
                )
                if len(waiting[lane]) >= _FLUSH_EVERY:
                    out[lane].write(b"".join(waiting[lane]))
                    waiting[lane].clear()
                records += 1
                if on_progress is not None and records % _PROGRESS_EVERY == 0:
                    on_progress(records)
        for lane_out, rest in zip(out, waiting, strict=True):
            lane_out.write(b"".join(rest))
    if on_progress is not None:
        on_progress(records)
    return records


def _text(key: bytes | None) -> bytes:
    """The key as JSON text; null when there is none or it is not UTF-8 (the operator rejects it either way)."""
    if key is None:
        return b"null"
    try:
        return _encode_text(key.decode())
    except UnicodeDecodeError:
        return b"null"
