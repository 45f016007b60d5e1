"""Building the stores from a log with no engine: the two stages and the sinks, in the operators' order."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import islice

from livetags.in_process import InProcess, Replayed
from livetags.inputs import Input
from livetags.oracle import Record
from schemas import state
from schemas.dictionaries import NO_DICTIONARIES, Dictionaries
from schemas.events import Event
from schemas.outputs import FoldedEvent, HistoryBatch, HotBatch
from schemas.position import pack_position
from schemas.pseudonyms import Pseudonyms
from schemas.run import FeedInput, Run
from schemas.settings import Settings
from schemas.state import Profile
from sinks.clickhouse_history import ClickHouseHistorySink
from sinks.redis_hot import RedisHotSink
from sources import FEEDS
from udfs.privacy.pseudonym import GivenPseudonyms
from udfs.profile.snapshot import snapshot


def fold(
    records: Iterable[Record],
    settings: Settings,
    now_ms: int,
    *,
    hot: RedisHotSink,
    history: ClickHouseHistorySink,
    records_per_batch: int = 5_000,
    pseudonyms: Pseudonyms | None = None,
    dictionaries: Dictionaries = NO_DICTIONARIES,
    erased: dict[str, int] | None = None,
) -> dict[str, Profile]:
    """Fold the log as the job would, as one shard, and return the profiles that hold anything."""
    records = list(records)
    logs = list(dict.fromkeys((feed, log) for feed, log, *_ in records))
    inputs = tuple(FeedInput(feed, "kafka", (log,)) for feed, log in logs)
    run = Run("in-process", inputs, True, erased=erased or {})

    def write(changes: HotBatch, batch: HistoryBatch) -> None:
        hot.remove(changes.removals)
        hot.link(changes.links)
        hot.write_batch([snapshot(user, state.decode(blob), stages.rules) for user, blob in changes.changed])
        history.write_batch([batch])

    feeds = [Input(FEEDS[feed], bootstrap="", topic=log) for feed, log in logs]
    stages = InProcess(run, feeds, settings, pseudonyms or GivenPseudonyms(), dictionaries, write)
    numbered = iter(
        [
            (key, value, pack_position(logs.index((feed, log)), partition, offset), number)
            for number, (feed, log, partition, offset, key, value) in enumerate(records)
        ]
    )
    while window := list(islice(numbered, records_per_batch)):
        stages.batch(window, now_ms)
    return profiles_of(stages.result)


def profiles_of(replayed: Replayed) -> dict[str, Profile]:
    """Every profile that holds anything, of persons and of identifiers nobody is linked to."""
    every = {user: state.decode(blob) for user, blob in [*replayed.identifiers.items(), *replayed.people.items()]}
    return {user: profile for user, profile in every.items() if profile.n}


def append_evidence(batch: HistoryBatch, feed: str, event: Event, evidence: Sequence[tuple[str, str, float]]) -> None:
    """Add the event as the next one that was folded of its user."""
    number = 1 + sum(user == event.user for _, user, *_ in batch.events)
    batch.events.append((feed, event.user, event.event_time_ms, event.event_id, evidence, number))


def history_of(rows: Iterable[tuple[str, str, str, int, int, float]], **more: object) -> HistoryBatch:
    """A batch that becomes these rows of history: (feed, user, tag, event time in ms, event id, value).

    Each is an event of its own, numbered from 1 per user in the order given.
    """
    events: list[FoldedEvent] = []
    folded: Counter[str] = Counter()
    for feed, user, tag, event_time_ms, event_id, value in rows:
        group, _, name = tag.partition(":")
        folded[user] += 1
        events.append((feed, user, event_time_ms, event_id, ((group, name, value),), folded[user]))
    return HistoryBatch(events, **more)  # type: ignore[arg-type]
