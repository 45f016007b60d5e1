"""Erasing a person from both stores at once: nothing is left, and the receipt says so."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
import redis
from clickhouse_connect.driver.client import Client
from made_triggers import trigger

from schemas.outputs import Alarm, DeadLetter, FoldedEvent, HistoryBatch, HotProfile, LinkedIdentifier, Receipt, Removal
from schemas.redis_keys import identifier_key, tombstone_key, trigger_stream_key, trigger_tombstone_key
from serving.personal_data import held
from sinks.clickhouse_client import connect
from sinks.clickhouse_history import ClickHouseHistorySink
from sinks.erasure import erase
from sinks.redis_hot import RedisHotSink, Written
from sinks.retry import SinkGaveUp
from sinks.trigger_stream import TriggerStream
from udfs.profile.snapshot import version_of

pytestmark = pytest.mark.stores

T0_MS = 1_767_225_600_000
EXPIRES_MS = (int(time.time()) + 3_600) * 1_000
PERSON = "p.zq3VtHk"
OTHER = "p.other"


def profile(user: str, n: int = 1, erased_ms: int = 0) -> HotProfile:
    return HotProfile(user, version_of(0, n), T0_MS, EXPIRES_MS, {"app:a": 1.0}, {}, {"app:a": T0_MS}, erased_ms)


def history() -> list[HistoryBatch]:
    evidence = (("app", "a", 1.0), ("content", "c", 1.0))
    events: list[FoldedEvent] = [
        ("dpi", user, T0_MS + n, n, evidence, n + 1) for user in (PERSON, OTHER) for n in range(5)
    ]
    alarms = [Alarm(user, "shares", T0_MS, T0_MS, 1, 5, 1.5, 0.5, [("app:a", 0.0, 1.0)]) for user in (PERSON, OTHER)]
    links = [LinkedIdentifier(PERSON, OTHER, T0_MS), LinkedIdentifier("k", PERSON, 0)]
    users = enumerate((PERSON, OTHER, ""))
    dead = [DeadLetter("dpi", "log", 0, n, "malformed", user) for n, user in users]
    receipts = [Receipt(trigger(n, user), T0_MS + 9) for user in (PERSON, OTHER) for n in range(3)]
    return [HistoryBatch(events, dead, links=links, alarms=alarms, receipts=receipts)]


class Stores:
    def __init__(self, clickhouse: Client, database: str, client: redis.Redis, prefix: str) -> None:
        self.clickhouse, self.database, self.redis, self.prefix = clickhouse, database, client, prefix

    def erase(self, erased_ms: int = T0_MS, request: str = "r-1") -> dict[str, dict[str, int]]:
        return erase(self.clickhouse, self.database, self.redis, self.prefix, PERSON, erased_ms, request, give_up_s=5.0)

    def held(self, user: str) -> dict[str, int]:
        return held(self.clickhouse, self.database, self.redis, self.prefix, user)

    def places_that_name(self, user: str) -> set[str]:
        """Every key and every table in which the pseudonym occurs anywhere."""
        found = set()
        for key in self.redis.scan_iter(match=f"{self.prefix}:*"):
            # of the stream what can be read: the server frees the bytes of entries later
            stream = key.decode() == trigger_stream_key(self.prefix)
            value = repr(self.redis.xrange(key)).encode() if stream else self.redis.dump(key) or b""
            if user.encode() in key + value:
                found.add(key.decode())
        tables = self.clickhouse.query(
            "SELECT name FROM system.tables WHERE database = {database:String}", parameters={"database": self.database}
        ).result_rows
        for (table,) in tables:
            rows = self.clickhouse.raw_query(f"SELECT * FROM {self.database}.{table}", fmt="JSONEachRow")
            if user.encode() in rows:
                found.add(table)
        return found


@pytest.fixture
def hot(valkey: str, prefix: str) -> Iterator[RedisHotSink]:
    sink = RedisHotSink(valkey, prefix, 5.0, 10.0)
    sink.open({"app": 604_800_000})
    yield sink
    sink.close()


@pytest.fixture
def stores(
    clickhouse: str, clickhouse_client: Client, database: str, valkey: str, prefix: str, hot: RedisHotSink
) -> Iterator[Stores]:
    hot.write_batch([profile(PERSON), profile(OTHER)])
    sent = TriggerStream(valkey, prefix, 5.0, 10.0, 3_600_000)
    sent.write_batch([trigger(n, user) for n, user in enumerate((PERSON, OTHER, PERSON))])
    sent.close()
    hot.link([LinkedIdentifier(PERSON, OTHER, T0_MS)])
    ClickHouseHistorySink(clickhouse, database, "run", 5.0, 10.0).write_batch(history())
    clickhouse_client.insert(
        f"{database}.exports",
        [["r-0", user, part, f'{{"user":"{user}"}}'] for user in (PERSON, OTHER) for part in ("hot", "history")],
        column_names=["request", "user", "part", "document"],
    )
    with redis.Redis.from_url(valkey) as client:
        yield Stores(clickhouse_client, database, client, prefix)


def test_nothing_is_left_and_the_receipt_counts_it(stores: Stores) -> None:
    others = stores.held(OTHER)
    amounts = {
        "hot_profile": 1,
        "hot_evidence": 1,
        "trigger_stream": 2,
        "tag_evidence": 10,
        "dead_letters": 1,
        "exports": 2,
    }
    amounts |= {"drift_alarms": 1, "triggers": 3}
    assert stores.held(PERSON) == amounts
    receipt = stores.erase()
    assert receipt == {place: {"before": n, "after": 0} for place, n in amounts.items()}
    assert stores.held(PERSON) == dict.fromkeys(amounts, 0)
    assert stores.places_that_name(PERSON) == {
        tombstone_key(stores.prefix, PERSON),
        trigger_tombstone_key(stores.prefix, PERSON),
        identifier_key(stores.prefix, PERSON),
        "erasures",
        "identity_links",
    }
    assert stores.held(OTHER) == others
    assert stores.places_that_name(OTHER) >= {"tag_evidence", "dead_letters", "exports", "drift_alarms", "triggers"}
    assert trigger_stream_key(stores.prefix) in stores.places_that_name(OTHER)


def test_erasing_again_changes_nothing(stores: Stores) -> None:
    stores.erase()
    columns = f"SELECT * FROM {stores.database}.erasures"
    before = stores.clickhouse.query(columns).result_rows
    assert stores.erase() == {place: {"before": 0, "after": 0} for place in stores.held(PERSON)}
    assert stores.clickhouse.query(columns).result_rows == before
    assert [row[2] for row in before] == ["r-1"]


def test_a_stale_job_does_not_bring_the_profile_back(stores: Stores, hot: RedisHotSink, clickhouse: str) -> None:
    """The job has not come to the request in its log: Redis refuses it, and its rows go when it gets there."""
    stores.erase(T0_MS + 50)
    assert hot.write_batch([profile(PERSON, 900)]) == Written(0, 1)
    history_sink = ClickHouseHistorySink(clickhouse, stores.database, "run", 5.0, 10.0)
    history_sink.write_batch(history())
    assert stores.held(PERSON)["tag_evidence"] == 10
    removal = Removal("erase", PERSON, time_ms=T0_MS + 50)
    history_sink.write_batch([HistoryBatch(removals=[removal])])
    hot.remove([removal])
    assert stores.places_that_name(PERSON) == {
        tombstone_key(stores.prefix, PERSON),
        trigger_tombstone_key(stores.prefix, PERSON),
        identifier_key(stores.prefix, PERSON),
        "erasures",
        "identity_links",
    }
    requests = stores.clickhouse.query(f"SELECT request FROM {stores.database}.erasures FINAL").result_rows
    assert requests == [("r-1",)], "the log's own record doesn't take its place"
    assert hot.write_batch([profile(PERSON, 1, T0_MS + 50)]) == Written(1, 0), "who knows of it may write"


def test_a_store_that_is_away_is_an_error_that_names_nobody(stores: Stores) -> None:
    away = redis.Redis(port=1)
    with pytest.raises(SinkGaveUp, match="Redis unavailable") as refusal:
        erase(stores.clickhouse, stores.database, away, stores.prefix, PERSON, T0_MS, "r", give_up_s=0.2)
    assert PERSON not in str(refusal.value)
    assert stores.held(PERSON)["tag_evidence"] == 10


def test_a_client_that_decodes_does_too(stores: Stores, valkey: str, clickhouse: str) -> None:
    stores.redis = redis.Redis.from_url(valkey, decode_responses=True)
    stores.clickhouse = connect(clickhouse, 5.0)
    assert stores.erase()["hot_profile"] == {"before": 1, "after": 0}
