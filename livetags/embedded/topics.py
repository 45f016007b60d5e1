"""Topics of a Kafka broker: make one, fill it, read it back, from its beginning to a known end.

Every wait is bounded, and no message of an error or a log has a record's key or value in it.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from confluent_kafka import (
    Consumer,
    IsolationLevel,
    KafkaError,
    KafkaException,
    Producer,
    TopicPartition,
)
from confluent_kafka.admin import AdminClient, NewTopic, OffsetSpec

# The longest time without any progress before a call gives up.
TIMEOUT_S = 30.0

_MAX_MESSAGE_BYTES = 16 * 1024 * 1024
_REPORT_EVERY = 20_000
_READ_BATCH = 10_000
# consume() waits this long for a batch to fill; at the end of a topic it never does.
_READ_WAIT_S = 0.1

Record = tuple[bytes | None, bytes | None]
# Just after a restart a broker can lag behind the leader epoch that it has told.
_PASSING = {
    KafkaError.UNKNOWN_LEADER_EPOCH,
    KafkaError.FENCED_LEADER_EPOCH,
    KafkaError.NOT_LEADER_FOR_PARTITION,
    KafkaError.LEADER_NOT_AVAILABLE,
}


class TopicError(RuntimeError):
    """A topic could not be made, filled or read; the message says what was got, expected and to do."""


def create_topic(bootstrap: str, topic: str, partitions: int, config: Mapping[str, str] | None = None) -> None:
    """Make a topic and return once each of its partitions can be written to.

    A topic already there with this number of partitions is left as it is, its configuration too.

    Parameters
    ----------
    bootstrap
        The broker's ``host:port``.
    topic, partitions
        Its name and its number of partitions; the broker's default number of replicas is used.
    config
        The topic's settings, by Kafka's names for them.

    Raises
    ------
    TopicError
        The broker is away, refuses the topic, or has one of that name with another number of partitions.
    """
    admin = _admin(bootstrap)
    _metadata(admin, bootstrap, None)
    wanted = NewTopic(topic, num_partitions=partitions, replication_factor=-1, config=dict(config or {}))
    try:
        admin.create_topics([wanted], operation_timeout=TIMEOUT_S, request_timeout=TIMEOUT_S)[topic].result(TIMEOUT_S)
    except KafkaException as error:
        if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
            message = f"topic {topic!r} with {partitions} partitions was not made: {_say(error)}"
            raise TopicError(message) from error
    # The broker says "made" before every partition has its leader.
    deadline = time.monotonic() + TIMEOUT_S
    while True:
        found = _metadata(admin, bootstrap, topic).topics[topic]
        if found.error is None:
            if len(found.partitions) != partitions:
                message = (
                    f"topic {topic!r} has {len(found.partitions)} partitions, expected {partitions}; "
                    f"delete it, or take another name"
                )
                raise TopicError(message)
            if all(each.leader >= 0 for each in found.partitions.values()):
                return
        if time.monotonic() > deadline:
            message = (
                f"topic {topic!r} at {bootstrap} has no leader for each partition after {TIMEOUT_S:.0f} s; "
                f"look at the broker's log"
            )
            raise TopicError(message)
        time.sleep(0.05)


def missing(bootstrap: str, names: Iterable[str], timeout_s: float = 10.0) -> list[str]:
    """Tell which of the topics are not there, in the order given.

    Raises
    ------
    TopicError
        The broker is away.
    """
    known = _metadata(_admin(bootstrap), bootstrap, None, timeout_s).topics
    return [name for name in names if name not in known]


def publish(
    bootstrap: str,
    topic: str,
    records: Iterable[Record],
    on_progress: Callable[[int], None] | None = None,
) -> int:
    """Write records and return once the broker has acknowledged every one of them.

    The producer is idempotent: its own retries neither double a record nor change the order of records with one key.
    A key decides the partition the way Java clients do it; a record without one goes to any.

    Parameters
    ----------
    bootstrap
        The broker's ``host:port``.
    topic
        An existing topic.
    records
        (key, value) pairs; either may be None.
    on_progress
        Called now and then, and at the end, with how many records were handed over so far.

    Returns
    -------
    int
        How many records were written.

    Raises
    ------
    TopicError
        The broker is away, there is no such topic, a record is too big, or any delivery failed; part of the records
        may be in the topic then. What ``records`` itself raises comes through as it is.
    """
    # Before anything is queued: a producer alone would find out only when its deliveries time out.
    _topic_partitions(_admin(bootstrap), bootstrap, topic)
    failed = 0
    first_failure = ""

    def note(error: KafkaError | None, _message: object) -> None:
        nonlocal failed, first_failure
        if error is not None:
            failed += 1
            first_failure = first_failure or f"{error.name()} ({error.str()})"

    producer = Producer(
        {
            "bootstrap.servers": bootstrap,
            "enable.idempotence": True,
            "partitioner": "murmur2_random",
            "linger.ms": 20,
            "batch.size": 1024 * 1024,
            "batch.num.messages": 100_000,
            "compression.type": "lz4",
            "message.max.bytes": _MAX_MESSAGE_BYTES,
            "queue.buffering.max.messages": 500_000,
            "queue.buffering.max.kbytes": 256 * 1024,
            "delivery.timeout.ms": int(TIMEOUT_S * 1000),
            "reconnect.backoff.max.ms": 1000,
            # A call back into Python for each success would cost more than all the rest.
            "delivery.report.only.error": True,
            "on_delivery": note,
            "log_level": 2,
        }
    )
    count = 0
    produce = producer.produce
    try:
        for key, value in records:
            try:
                produce(topic, value, key)
            except BufferError:
                _wait_for_room(producer, bootstrap, topic)
                produce(topic, value, key)
            except KafkaException as error:
                size = len(key or b"") + len(value or b"")
                message = f"record {count} for topic {topic!r}, {size} bytes, was refused: {_say(error)}"
                raise TopicError(message) from error
            count += 1
            if count % _REPORT_EVERY == 0:
                producer.poll(0)
                if failed:
                    break
                if on_progress is not None:
                    on_progress(count)
        # Each record is acknowledged or given up within its own delivery time-out, so this is bounded too.
        left = producer.flush(TIMEOUT_S * 2)
    except BaseException:
        producer.purge()
        producer.flush(1.0)
        raise
    if failed or left:
        if left:
            producer.purge()
        message = (
            f"{failed + left} of {count} records for topic {topic!r} at {bootstrap} were not acknowledged, expected "
            f"all: {first_failure or 'no answer in time'}; look at the broker's log, then empty the topic and publish "
            f"again"
        )
        raise TopicError(message)
    if on_progress is not None:
        on_progress(count)
    return count


def read_all(
    bootstrap: str, topic: str, until: dict[int, int] | None = None
) -> Iterator[tuple[int, int, bytes | None, bytes | None]]:
    """Read a topic from its beginning to known end offsets.

    Only committed records are read: those of aborted transactions are left out, and those of one still open are
    beyond the end. Nothing is stored in the broker about this reading.

    Parameters
    ----------
    bootstrap
        The broker's ``host:port``.
    topic
        An existing topic.
    until
        For each partition the offset to stop before; partitions left out are not read. None: ``end_offsets`` as they
        are when the reading starts.

    Yields
    ------
    tuple[int, int, bytes | None, bytes | None]
        Partition, offset, key, value; offsets rise within a partition, partitions are interleaved.

    Raises
    ------
    TopicError
        The broker is away, there is no such topic or partition, or nothing comes for 30 s before the end is reached.
    """
    begin = begin_offsets(bootstrap, topic)
    ends = end_offsets(bootstrap, topic) if until is None else dict(until)
    unknown = sorted(ends.keys() - begin.keys())
    if unknown:
        message = f"topic {topic!r} has partitions {sorted(begin)}, got {unknown} in until; leave them out"
        raise TopicError(message)
    pending = {partition: end for partition, end in ends.items() if end > begin[partition]}
    if not pending:
        return
    trouble = ""

    def note(error: KafkaError) -> None:
        nonlocal trouble
        trouble = f"{error.name()} ({error.str()})"

    consumer = Consumer(
        {
            "bootstrap.servers": bootstrap,
            # Never joined, only required: partitions are assigned by hand.
            "group.id": f"livetags-read-{uuid.uuid4()}",
            "enable.auto.commit": False,
            "enable.auto.offset.store": False,
            "auto.offset.reset": "earliest",
            "isolation.level": "read_committed",
            # The last offsets may be transaction markers, which are no records: only this event tells their end.
            "enable.partition.eof": True,
            "max.partition.fetch.bytes": 8 * 1024 * 1024,
            "queued.max.messages.kbytes": 64 * 1024,
            "fetch.wait.max.ms": 100,
            "reconnect.backoff.max.ms": 1000,
            "error_cb": note,
            "log_level": 2,
        }
    )
    try:
        # Known offsets: for "the beginning" the client would ask again, and first wait half a second.
        consumer.assign([TopicPartition(topic, partition, begin[partition]) for partition in pending])
        position = {partition: begin[partition] for partition in pending}
        last_progress = time.monotonic()
        while pending:
            # Asking for no more than there can be: a full batch comes at once, a short one only after the wait.
            most = sum(end - position[partition] for partition, end in pending.items())
            batch = consumer.consume(min(_READ_BATCH, most), _READ_WAIT_S)
            before = sum(position.values()), len(pending)
            for message in batch:
                error = message.error()
                partition, offset = message.partition(), message.offset()
                if error is not None and error.code() != KafkaError._PARTITION_EOF:
                    _raise_unreadable(error, bootstrap, topic, partition)
                end = pending.get(partition)
                if end is None:
                    continue
                # An end-of-partition event carries the offset that the next record will have.
                reached = offset if error is not None else offset + 1
                position[partition] = max(position[partition], min(reached, end))
                if reached >= end:
                    del pending[partition]
                    consumer.incremental_unassign([TopicPartition(topic, partition)])
                if error is None and offset < end:
                    yield partition, offset, message.key(), message.value()
            if (sum(position.values()), len(pending)) != before:
                # Taken after the batch, so that a slow reader's own time does not count as the broker's.
                last_progress = time.monotonic()
            elif time.monotonic() - last_progress > TIMEOUT_S:
                partition, end = next(iter(pending.items()))
                text = (
                    f"topic {topic!r} at {bootstrap}: nothing came for {TIMEOUT_S:.0f} s; partition {partition} is at "
                    f"offset {position[partition]}, expected to reach {end} ({trouble or 'no error reported'}); "
                    f"check that the broker runs, that the end exists, and that no transaction is left open"
                )
                raise TopicError(text)
    finally:
        consumer.close()


def end_offsets(bootstrap: str, topic: str) -> dict[int, int]:
    """Tell, for each partition, the offset after its last committed record.

    Before an open transaction, that is: a reader of committed records cannot get further.

    Raises
    ------
    TopicError
        The broker is away, or there is no such topic.
    """
    return _offsets(bootstrap, topic, OffsetSpec.latest())


def begin_offsets(bootstrap: str, topic: str) -> dict[int, int]:
    """Tell, for each partition, the offset of the first record it still holds.

    Raises
    ------
    TopicError
        The broker is away, or there is no such topic.
    """
    return _offsets(bootstrap, topic, OffsetSpec.earliest())


def _offsets(bootstrap: str, topic: str, which: Any) -> dict[int, int]:
    admin = _admin(bootstrap)
    asked = {TopicPartition(topic, each): which for each in _topic_partitions(admin, bootstrap, topic)}
    deadline = time.monotonic() + TIMEOUT_S
    while True:
        answers = admin.list_offsets(asked, isolation_level=IsolationLevel.READ_COMMITTED, request_timeout=TIMEOUT_S)
        try:
            return {each.partition: answer.result(TIMEOUT_S).offset for each, answer in answers.items()}
        except (KafkaException, TimeoutError) as error:
            passing = isinstance(error, KafkaException) and error.args[0].code() in _PASSING
            if not passing or time.monotonic() > deadline:
                message = (
                    f"the offsets of topic {topic!r} at {bootstrap} could not be had: {_say(error)}; look at its log"
                )
                raise TopicError(message) from error
        time.sleep(0.2)


def _admin(bootstrap: str) -> Any:
    return AdminClient({"bootstrap.servers": bootstrap, "log_level": 2, "reconnect.backoff.max.ms": 500})


def _metadata(admin: Any, bootstrap: str, topic: str | None, timeout_s: float | None = None) -> Any:
    patience_s = TIMEOUT_S if timeout_s is None else timeout_s
    try:
        return admin.list_topics(topic, timeout=patience_s) if topic else admin.list_topics(timeout=patience_s)
    except KafkaException as error:
        message = (
            f"no answer from the Kafka broker at {bootstrap} within {patience_s:.0f} s: {_say(error)}; check that it "
            f"runs and that the address is right"
        )
        raise TopicError(message) from error


def _topic_partitions(admin: Any, bootstrap: str, topic: str) -> list[int]:
    found = _metadata(admin, bootstrap, topic).topics[topic]
    if found.error is not None:
        message = f"topic {topic!r} at {bootstrap}: {found.error.name()} ({found.error.str()}); create it first"
        raise TopicError(message)
    return sorted(found.partitions)


def _wait_for_room(producer: Any, bootstrap: str, topic: str) -> None:
    """Wait until the producer's full queue has drained by a good part; a full one is found again at once."""
    full = len(producer)
    deadline = time.monotonic() + TIMEOUT_S * 2
    while len(producer) > full * 0.8:
        producer.poll(0.01)
        if time.monotonic() > deadline:
            message = (
                f"the producer's queue for topic {topic!r} did not drain within {TIMEOUT_S * 2:.0f} s: {full} records "
                f"wait; check that the broker at {bootstrap} runs"
            )
            raise TopicError(message)


def _raise_unreadable(error: Any, bootstrap: str, topic: str, partition: int) -> None:
    message = (
        f"partition {partition} of topic {topic!r} at {bootstrap} could not be read: {error.name()} ({error.str()}); "
        f"look at the broker's log"
    )
    raise TopicError(message)


def _say(error: BaseException) -> str:
    cause = error.args[0] if error.args else None
    return f"{cause.name()} ({cause.str()})" if isinstance(cause, KafkaError) else f"{type(error).__name__} {error}"
