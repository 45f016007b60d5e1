"""How far each feed has been read, told from the events themselves.

A job may be behind: after an outage, when a feed's source delivers late, or when it reads an old log. The clock on the
wall then says nothing of what has come. So of every partition is kept how old its newest event was when it came: its
lag. It has come up to now when it has been silent for as long as its lag, or for a minute: a log that has more gives it
within seconds. Until then it has come up to its newest event.

Time in which no job ran, or in which this one stood still, is lag as well, and of a silence then nothing is believed.

While a job works off a backlog, a micro-batch holds minutes of it, and one person's part of it can come some time after
another's. So as long as more than a moment's lag is there, and more comes, what counts is how far the partition was
some seconds ago.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec
from msgspec import Struct, field

from schemas.outputs import Forwarded
from schemas.position import FEED_SHIFT, PARTITION_SHIFT
from udfs.triggers.watermarks import Watermarks

_FEED_OF_LOG = FEED_SHIFT - PARTITION_SHIFT
_FIRST_READ_MS = 10_000
_IN_TIME_MS = 1_000
_SILENT_MS = 60_000
_APART_MS = 10_000
_NOTED_EVERY_MS = 500


class LogProgress(Struct, array_like=True):
    """Of one partition: its newest event time, how old that event was when it came, and when that was."""

    newest_ms: int
    lag_ms: int
    came_ms: int


class _Saved(Struct, array_like=True):
    alive_ms: int
    logs: dict[int, LogProgress] = field(default_factory=dict)


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(_Saved).decode


class FeedProgress:
    """Of all shards that one operator works on: a feed may be rare in each.

    Parameters
    ----------
    feeds
        Names by feed number.
    started_ms
        When the job started: a feed that nothing has come of is not waited for beyond its first seconds.
    """

    def __init__(self, feeds: Sequence[str], started_ms: int) -> None:
        self._feeds = feeds
        self._unseen_until_ms = started_ms + _FIRST_READ_MS
        self._logs: dict[int, LogProgress] = {}
        # log -> when it was how far, oldest first: once as of `_APART_MS` ago, and since then
        self._earlier: dict[int, list[tuple[int, int]]] = {}

    def restore(self, saved: bytes, now_ms: int) -> None:
        """Take over what `save` gave before the job was last away."""
        before = _decode(saved)
        for log, one in before.logs.items():
            known = self._logs.get(log)
            if known is None or known.newest_ms < one.newest_ms:
                away_ms = max(now_ms - before.alive_ms, 0)
                self._logs[log] = LogProgress(one.newest_ms, _lag(one, before.alive_ms) + away_ms, now_ms)
                self._earlier[log] = [(now_ms, one.newest_ms)]

    def stood_still(self, ms: int, now_ms: int) -> None:
        """Nothing could come for so long, up to now: what it was that did not come is not known yet."""
        if ms > _IN_TIME_MS:
            for log, one in self._logs.items():
                self._logs[log] = LogProgress(one.newest_ms, _lag(one, now_ms - ms) + ms, now_ms)

    def note(self, batches: Iterable[Forwarded], now_ms: int) -> None:
        """Take note of a batch that was folded."""
        newest: dict[int, int] = {}
        for batch in batches:
            for _, position, event in batch.events:
                log = position >> PARTITION_SHIFT
                # a clock ahead of ours says nothing of what has come
                if newest.get(log, 0) < event.event_time_ms <= now_ms:
                    newest[log] = event.event_time_ms
        for log, newest_ms in newest.items():
            known = self._logs.get(log)
            if log >= 0 and (known is None or newest_ms > known.newest_ms):
                self._keep(log, LogProgress(newest_ms, now_ms - newest_ms, now_ms))

    def watermarks(self, now_ms: int) -> Watermarks:
        """Up to when each feed has come; of several partitions the one that is furthest behind counts."""
        by_feed = dict.fromkeys(self._feeds, 0) if now_ms < self._unseen_until_ms else {}
        seen: dict[str, int] = {}
        for log, one in self._logs.items():
            feed = self._feeds[log >> _FEED_OF_LOG]
            until_ms = self._until(log, one, now_ms)
            seen[feed] = min(seen.get(feed, until_ms), until_ms)
        return Watermarks(now_ms, by_feed | seen)

    def save(self, now_ms: int) -> bytes:
        """What a later start needs to know."""
        return _encode(_Saved(now_ms, self._logs))

    def _keep(self, log: int, one: LogProgress) -> None:
        self._logs[log] = one
        entry = (one.came_ms, one.newest_ms)
        earlier = self._earlier.get(log)
        if earlier is None or one.lag_ms <= _IN_TIME_MS:
            self._earlier[log] = [entry]
        elif one.came_ms - earlier[-1][0] >= _NOTED_EVERY_MS:
            earlier.append(entry)
            while len(earlier) > 1 and earlier[1][0] <= one.came_ms - _APART_MS:
                del earlier[0]

    def _until(self, log: int, one: LogProgress, now_ms: int) -> int:
        if _lag(one, now_ms) == 0:
            return now_ms
        if one.lag_ms <= _IN_TIME_MS or now_ms - one.came_ms >= _APART_MS:
            return one.newest_ms
        before = [newest_ms for came_ms, newest_ms in self._earlier[log] if came_ms <= now_ms - _APART_MS]
        return before[-1] if before else self._earlier[log][0][1]


def _lag(one: LogProgress, now_ms: int) -> int:
    """What is left of its lag when it has been silent since."""
    return one.lag_ms if now_ms - one.came_ms < min(one.lag_ms, _SILENT_MS) else 0
