"""Feed `dpi`: app and URL use, one protobuf `DpiRecord` per flow (schemas/proto/livetags/v1/dpi.proto)."""

from __future__ import annotations

import random
from collections.abc import Iterator

from google.protobuf.message import DecodeError

from schemas.events import AppUse, identity_of
from schemas.pb.livetags.v1.dpi_pb2 import DpiRecord
from schemas.pseudonyms import Pseudonyms
from schemas.reasons import Reason, Rejected
from sources.feed import Feed
from sources.first_fields import KEY_SQL, subscriber, time_reader
from sources.subscriber_key import text_of

_SAMPLE_START_MS = 1_767_225_600_000  # 2026-01-01 UTC


def decode(key: bytes, value: bytes, pseudonyms: Pseudonyms) -> AppUse:
    """One flow record. Where it names no app, its host is the app; a category it does not name stays empty.

    Raises
    ------
    Rejected
        malformed, key_missing, key_mismatch, event_id_missing, tag_missing (neither app nor host) or value_negative.
    """
    try:
        record = DpiRecord.FromString(value)
    except (DecodeError, RecursionError):
        raise Rejected(Reason.MALFORMED) from None
    raw = text_of(key)
    if record.subscriber_id and record.subscriber_id != raw:
        raise Rejected(Reason.KEY_MISMATCH)
    record_id = record.record_id
    if not record_id:
        raise Rejected(Reason.EVENT_ID_MISSING)
    host = record.url_host
    app = record.app or host
    if not app:
        raise Rejected(Reason.TAG_MISSING)
    bytes_up = record.bytes_up
    bytes_down = record.bytes_down
    if bytes_up < 0 or bytes_down < 0:
        raise Rejected(Reason.VALUE_NEGATIVE)
    return AppUse(
        pseudonyms.identifier(raw),
        identity_of(record_id),
        record.event_time_ms,
        app,
        record.category,
        bytes_up,
        bytes_down,
        host,
        record.search_keyword,
    )


_CONTENT = {
    "video": ("video.example", "clips.example", "live.example"),
    "music": ("songs.example", "radio.example"),
    "games": ("arena.example", "puzzles.example", "racing.example"),
    "news": ("daily.example", "weekly.example"),
    "finance": ("bank.example", "stocks.example"),
    "shopping": ("market.example", "outlet.example"),
}


def sample(events: int, seed: int) -> Iterator[bytes]:
    """A small telecom: 2 % as many subscribers as events, each with two favourite contents, over 14 days in order.

    One record in a hundred repeats the one before it, to show duplicates.
    """
    rng = random.Random(seed)
    subscribers = max(events // 50, 1)
    contents = list(_CONTENT)
    previous = b""
    for number in range(events):
        if previous and rng.random() < 0.01:
            yield previous
            continue
        who = rng.randrange(subscribers)
        favourite = contents[(who + rng.randrange(2)) % len(contents)]
        content = favourite if rng.random() < 0.8 else rng.choice(contents)
        previous = DpiRecord(
            subscriber_id=f"s{who:09d}",
            record_id=f"{seed}-{number}",
            event_time_ms=_SAMPLE_START_MS + number * 14 * 86_400_000 // events,
            app=rng.choice(_CONTENT[content]),
            category=content,
            bytes_up=int(rng.lognormvariate(8, 2)),
            bytes_down=int(rng.lognormvariate(12, 2)),
        ).SerializeToString()
        yield previous


FEED = Feed(
    name="dpi",
    keyed_by="IMSI",
    population="subscribers",
    topic="livetags.dpi",
    file_format="delimited",
    file_suffix=".pb",
    key_sql=KEY_SQL,
    subscriber=subscriber,
    decode=decode,
    event_time_ms=time_reader(DpiRecord.FromString),
    sample=sample,
    sample_events=200_000,
)
