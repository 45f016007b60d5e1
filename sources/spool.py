"""Spooling: logs in files made ready for the engine's file source.

The engine's file source knows neither length-delimited protobuf, nor record numbers, nor a cap on a record's length; it
reads the parts of one large file at the same time, out of order, and different files at different speeds. So the files
of all feeds are rewritten, once and unchanged, into one in the order of a replay, each record numbered. It is
gzip-compressed, which also keeps the engine from splitting it.

A spooled record is a JSON line: ``{"s": number from 1, "p": position, "k": key, "v": base64 of the value}``.
"""

from __future__ import annotations

import gzip
from binascii import b2a_base64
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec

from schemas.position import PARTITIONS, pack_position
from sources.feed import Feed
from sources.replay import in_step

_encode_text = msgspec.json.Encoder().encode
_PROGRESS_EVERY = 20_000
_FLUSH_EVERY = 2_000


def spool(
    inputs: Sequence[tuple[Feed, Sequence[Path]]],
    file: Path,
    max_record_bytes: int,
    on_progress: Callable[[int], None] | None = None,
) -> int:
    """Rewrite the files of all inputs into one; returns the number of records.

    Parameters
    ----------
    inputs
        Feeds and their files, in order; a position's feed number and partition are the indexes here.
    file
        The spool.
    on_progress
        Called now and then with the records so far.

    Raises
    ------
    ValueError
        When a feed has more files than a position can number.
    """
    for feed, files in inputs:
        if len(files) > PARTITIONS:
            msg = (
                f"feed {feed.name} has {len(files):,} files, a position numbers {PARTITIONS:,}: "
                "put several logs in a file"
            )
            raise ValueError(msg)
    file.parent.mkdir(parents=True, exist_ok=True)
    records = 0
    waiting: list[bytes] = []
    with gzip.open(file, "wb", compresslevel=1) as out:
        for records, (number, index, record, value) in enumerate(in_step(inputs, max_record_bytes), 1):
            key = inputs[number][0].subscriber(value) if len(value) <= max_record_bytes else None
            position = pack_position(number, index, record)
            waiting.append(
                b'{"s":%d,"p":%d,"k":%s,"v":"%s"}\n' % (records, position, _text(key), b2a_base64(value, newline=False))
            )
            if len(waiting) >= _FLUSH_EVERY:
                out.write(b"".join(waiting))
                waiting.clear()
            if on_progress is not None and records % _PROGRESS_EVERY == 0:
                on_progress(records)
        out.write(b"".join(waiting))
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
