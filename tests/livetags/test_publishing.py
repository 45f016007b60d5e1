"""Publishing a folder's files: every record once, keyed, in order, and all feeds in step."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Iterable

import pytest
from rich.console import Console

from city.building import build
from livetags import publishing
from livetags.embedded import jars, java, kafka_broker, topics
from livetags.inputs import Input, resolve
from livetags.progress import ConsoleProgress
from livetags.publishing import publish_in_step
from sources import FEEDS
from sources.records import read_records
from sources.replay import in_step


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> list[Input]:
    folder = tmp_path_factory.mktemp("city")
    build(folder, 20, 2, 4)
    return resolve("all", str(folder))


def values_of(source: Input) -> list[bytes]:
    return [value for file in source.files for _, value in read_records(source.feed, file, 1 << 20)]


def publish(inputs: list[Input], brokers: str) -> int:
    with ConsoleProgress(Console(quiet=True)) as progress:
        return publish_in_step(inputs, brokers, progress)


def test_feeds_keep_step(inputs: list[Input], monkeypatch: pytest.MonkeyPatch) -> None:
    """What is published until any moment is the beginning of the replay, but for less than one chunk."""
    sent: list[tuple[str, bytes | None]] = []
    made: dict[str, int] = {}
    calls: list[str] = []

    def note(bootstrap: str, topic: str, records: Iterable[topics.Record]) -> int:
        before = len(sent)
        sent.extend((topic, value) for _, value in records)
        calls.append(topic)
        return len(sent) - before

    monkeypatch.setattr(publishing, "_IN_STEP", 500)
    monkeypatch.setattr(topics, "publish", note)
    monkeypatch.setattr(topics, "create_topic", lambda bootstrap, topic, partitions: made.update({topic: partitions}))
    monkeypatch.setattr(topics, "missing", lambda bootstrap, names: [name for name in names if name not in made])
    assert publish(inputs, "kafka://nowhere:1") == len(sent) > 2_000
    assert set(made) == {feed.topic for feed in FEEDS.values()}, "a job with all feeds reads those without records too"

    replay = [
        (inputs[number].feed.topic, value)
        for number, _, _, value in in_step([(source.feed, source.files) for source in inputs], 1 << 20)
    ]
    for begin in range(0, len(replay), 500):
        assert sorted(sent[begin : begin + 500]) == sorted(replay[begin : begin + 500])
    assert len(calls) > 2 * len(inputs), "no feed was published in one piece"


@pytest.mark.kafka
def test_every_record_is_in_its_topic_keyed_and_in_order(bootstrap: str, inputs: list[Input]) -> None:
    assert publish(inputs, f"kafka://{bootstrap}") == sum(len(values_of(source)) for source in inputs)
    unkeyed = 0
    for source in inputs:
        published: dict[bytes | None, list[bytes | None]] = defaultdict(list)
        partitions: dict[bytes | None, set[int]] = defaultdict(set)
        for partition, _, key, value in topics.read_all(bootstrap, source.feed.topic):
            published[key].append(value)
            partitions[key].add(partition)
        expected: dict[bytes | None, list[bytes | None]] = defaultdict(list)
        for value in values_of(source):
            expected[source.feed.subscriber(value)].append(value)
        unkeyed += len(expected.pop(None, []))
        published.pop(None, None)
        assert published == expected
        assert all(len(partitions[key]) == 1 for key in expected), "one key, one partition"
    assert unkeyed, "garbage that names nobody is published too"


@pytest.mark.kafka
def test_a_broker_that_is_away_is_said_to_be(inputs: list[Input], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(topics, "TIMEOUT_S", 1.0)
    with pytest.raises(topics.TopicError, match="no answer from the Kafka broker"):
        publish(inputs, f"kafka://127.0.0.1:{kafka_broker.free_port()}")


@pytest.mark.kafka
def test_a_job_with_all_feeds_finds_its_topics_and_missing_ones_are_named_at_once(
    livetags: Callable[..., tuple[int, str, str]],
    tmp_path_factory: pytest.TempPathFactory,
    inputs: list[Input],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("LIVETAGS_REDIS_URL", "redis://127.0.0.1:1")  # neither is looked for before the topics
    monkeypatch.setenv("LIVETAGS_CLICKHOUSE_URL", "http://127.0.0.1:1")
    folder = tmp_path_factory.mktemp("kafka")
    fetched = jars.fetch("kafka-broker", jars.DEFAULT_FOLDER)
    with kafka_broker.KafkaBroker(folder, java.java_home(), fetched) as broker:
        brokers = f"kafka://{broker.bootstrap}"
        topics.create_topic(broker.bootstrap, FEEDS["dpi"].topic, 1)
        everything = ("run", "profile_update", "--feed", "all", "--input", brokers)
        for more in ([], ["--unbounded"]):
            began = time.monotonic()
            code, _, err = livetags(*everything, *more)
            assert time.monotonic() - began < 15
            told = " ".join(err.split())
            assert code == 2
            for feed in FEEDS.values():
                assert (f" {feed.topic}," in told or f" {feed.topic} at" in told) == (feed.name != "dpi")
            assert f"livetags publish FOLDER --to {brokers}" in told
        some = [source for source in inputs if source.feed.name in ("link", "dpi")]
        with pytest.raises(topics.TopicError, match="has 1 partitions, expected 4"):
            publish(some, brokers)
        topics.create_topic(broker.bootstrap, FEEDS["rights"].topic, 2)  # of whoever runs the broker: left as it is
        publish([source for source in some if source.feed.name == "link"], brokers)
        assert topics.missing(broker.bootstrap, [feed.topic for feed in FEEDS.values()]) == []
        assert sum(topics.end_offsets(broker.bootstrap, FEEDS["rebuild"].topic).values()) == 0
        code, _, err = livetags(*everything)
        assert code == 2
        assert "Redis at redis://127.0.0.1:1 does not answer" in " ".join(err.split()), (
            "the topics are there, so it looks for the stores"
        )
