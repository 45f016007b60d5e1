"""Building the stores from a log with no engine: `advance` and the sinks, in the operator's order."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from livetags.oracle import Record
from schemas.events import Event
from schemas.outputs import DeadLetter, FoldedEvent, HistoryBatch, ShardCounts
from schemas.reasons import Reason, Rejected
from schemas.settings import Settings
from schemas.state import Profile
from sinks.clickhouse_history import ClickHouseHistorySink
from sinks.redis_hot import RedisHotSink
from sources import FEEDS
from udfs.profile.advance import Folded, Refused, advance
from udfs.profile.snapshot import snapshot
from udfs.tags import GROUPS


def fold(
    records: Iterable[Record],
    settings: Settings,
    now_ms: int,
    *,
    hot: RedisHotSink,
    history: ClickHouseHistorySink,
    records_per_batch: int = 5_000,
) -> dict[str, Profile]:
    """Fold the log as the job would, as one shard, and return the profiles."""
    rules = settings.rules(GROUPS)
    profiles: dict[str, Profile] = {}
    counts = ShardCounts(0)
    batch = HistoryBatch(counts=counts)
    changed: set[str] = set()

    def flush() -> None:
        nonlocal batch
        for user in changed:
            profiles[user].last_write_ms = now_ms
        hot.write_batch([snapshot(user, profiles[user], rules) for user in sorted(changed)])
        history.write_batch([batch])
        batch = HistoryBatch(counts=counts)
        changed.clear()

    for feed, log, partition, offset, key, value in records:
        counts.events_in += 1
        try:
            if not value:
                raise Rejected(Reason.VALUE_MISSING)
            if len(value) > settings.max_record_bytes:
                raise Rejected(Reason.RECORD_TOO_LARGE)
            event = FEEDS[feed].decode(key or b"", value)
            profile = profiles.get(event.user) or profiles.setdefault(event.user, Profile())
            _, output, _ = advance(profile, event, rules, now_ms)
            if isinstance(output, Refused):
                raise Rejected(output.reason)
            if isinstance(output, Folded):
                counts.folded += 1
                changed.add(event.user)
                append_evidence(batch, feed, event, output.evidence)
            else:
                counts.duplicates += 1
        except Rejected as rejected:
            code = f"{feed}/{rejected.reason.value}"
            counts.rejected[code] = counts.rejected.get(code, 0) + 1
            batch.dead_letters.append(DeadLetter(feed, log, partition, offset, rejected.reason.value))
        if counts.events_in % records_per_batch == 0:
            flush()
    flush()
    return {user: profile for user, profile in profiles.items() if profile.n}


def append_evidence(batch: HistoryBatch, feed: str, event: Event, evidence: Sequence[tuple[str, str, float]]) -> None:
    batch.events.append((feed, event.user, event.event_time_ms, event.event_id, evidence))


def history_of(rows: Iterable[tuple[str, str, str, int, int, float]], **more: Any) -> HistoryBatch:
    """A batch that becomes these rows of history: (feed, user, tag, event time in ms, event id, value)."""
    events: list[FoldedEvent] = []
    for feed, user, tag, event_time_ms, event_id, value in rows:
        group, _, name = tag.partition(":")
        events.append((feed, user, event_time_ms, event_id, ((group, name, value),)))
    return HistoryBatch(events, **more)
