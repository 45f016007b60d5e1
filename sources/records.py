"""Reading the records of a log that lies in files: one record a line, or protobuf with each length before it.

Nothing is parsed here. A record longer than the limit is cut to one byte more than the limit, so that whoever decodes
it sees that it is too long without holding it.
"""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import BinaryIO, cast

from sources.feed import Feed

_CHUNK = 1 << 20
_LONGEST_VARINT = 10
_NEVER_PARSES = b"\x07"


def input_files(feed: Feed, path: Path, only: bool, others: Collection[str] = ()) -> list[Path]:
    """The files of a feed under `path`, in name order.

    A file is itself, whatever its name. In a folder, with `only` every file of the feed's ending, but those named after
    one of the feeds `others`; otherwise (several feeds share the folder) those whose name also begins with the feed's.

    Raises
    ------
    FileNotFoundError
        When the path is not there, or a folder that was meant for this feed alone holds no such file.
    """
    if path.is_file():
        return [path]
    if not path.is_dir():
        msg = f"no such input: {path}; expected a file, a folder, or kafka://host:port/topic"
        raise FileNotFoundError(msg)
    pattern = f"*{feed.file_suffix}" if only else f"{feed.name}*{feed.file_suffix}"
    files = sorted([*path.glob(pattern), *path.glob(pattern + ".gz")])
    if only:
        files = [file for file in files if file.name.startswith(feed.name) or not file.name.startswith(tuple(others))]
    if only and not files:
        msg = f"folder {path} holds no file for feed {feed.name}: expected {pattern}, also with .gz"
        raise FileNotFoundError(msg)
    return files


def read_records(feed: Feed, file: Path, max_record_bytes: int) -> Iterator[tuple[int, bytes]]:
    """Records of one file as ``(number from 1, value)``; compressed when the name ends in ``.gz``.

    A file that ends inside a record gives what is left of it as its last record: it will be refused as malformed.
    """
    opener = gzip.open if file.suffix == ".gz" else open
    number = 0
    with opener(file, "rb") as opened:
        stream = cast(BinaryIO, opened)
        values = (
            _lines(stream, max_record_bytes) if feed.file_format == "lines" else _delimited(stream, max_record_bytes)
        )
        try:
            for number, value in enumerate(values, 1):
                yield number, value
        except (EOFError, gzip.BadGzipFile, zlib.error):
            # compressed data that is cut or damaged: what is left is one unusable record
            yield number + 1, _NEVER_PARSES


def _lines(stream: BinaryIO, limit: int) -> Iterator[bytes]:
    while line := stream.readline(limit + 2):
        if line.endswith(b"\n"):
            yield line[:-2] if line.endswith(b"\r\n") else line[:-1]
            continue
        yield line[: limit + 1]
        while line and not line.endswith(b"\n"):
            line = stream.readline(_CHUNK)


def _delimited(stream: BinaryIO, limit: int) -> Iterator[bytes]:
    while first := stream.read(1):
        length, shift, raw = 0, 0, first
        while True:
            length |= (raw[-1] & 0x7F) << shift
            shift += 7
            if raw[-1] < 0x80 or len(raw) >= _LONGEST_VARINT:
                break
            more = stream.read(1)
            if not more:
                break
            raw += more
        value = stream.read(min(length, limit + 1))
        complete = raw[-1] < 0x80 and len(value) == min(length, limit + 1)
        if complete and length > limit + 1:
            complete = _skip(stream, length - limit - 1)
        # After broken framing nothing further can be told apart: the rest of the file is one unusable record. What is
        # left of it could parse by chance, with fields missing; wire type 7 does not exist, so this never does.
        yield value if complete else (_NEVER_PARSES + value)[: limit + 1]
        if not complete:
            return


def _skip(stream: BinaryIO, count: int) -> bool:
    while count:
        read = len(stream.read(min(count, _CHUNK)))
        if not read:
            return False
        count -= read
    return True
