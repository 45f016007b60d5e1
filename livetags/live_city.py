"""A simulated city as of now: its records, moved to the present, go to the feeds' topics when their time has come.

Cities live in January 2026. Here every time is moved by the same whole number of hours, so that it is evening there,
when people do most; what has been that day goes out at once, the rest in real time.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from heapq import merge
from pathlib import Path
from threading import Event, Thread

from confluent_kafka import Producer
from google.protobuf.message import DecodeError

from city.clock import HOUR_MS, LOCAL_AHEAD_MS, START_MS
from livetags.embedded.topics import TopicError
from livetags.inputs import Input, resolve
from schemas.pb.livetags.v1 import (
    billing_pb2,
    cdr_pb2,
    consent_pb2,
    contact_pb2,
    dpi_pb2,
    link_pb2,
    order_pb2,
    registration_pb2,
    signalling_pb2,
)
from sources.feed import Feed
from sources.records import read_records

DAYS = 2
"""How long a city is made for; it is over 37 hours after it was started."""

_EVENING_MS = START_MS + 11 * HOUR_MS
_MAX_RECORD_BYTES = 1 << 20
_AHEAD = 5
_TICK_S = 0.02
_GIVE_UP_S = 30.0
_RECORDS = {
    "billing": billing_pb2.BillingRecord,
    "cdr": cdr_pb2.CdrRecord,
    "consent": consent_pb2.ConsentRecord,
    "contact": contact_pb2.ContactRecord,
    "dpi": dpi_pb2.DpiRecord,
    "link": link_pb2.LinkRecord,
    "order": order_pb2.OrderRecord,
    "registration": registration_pb2.RegistrationRecord,
    "signalling": signalling_pb2.SignallingRecord,
}

Due = tuple[int, Feed, bytes]
"""When a record is to go out, ms since the epoch; its feed; its value."""


def shift_ms(now_ms: int) -> int:
    """By how much a city's times are to be moved, so that it is between 19 and 20 o'clock there; whole hours."""
    return now_ms // HOUR_MS * HOUR_MS - _EVENING_MS


def utc_offset_hours(by_ms: int) -> int:
    """Local time of a city that was moved, -12 to 11: what the setting of that name has to be."""
    return (LOCAL_AHEAD_MS // HOUR_MS - by_ms // HOUR_MS + 12) % 24 - 12


def moved(feed: str, value: bytes, by_ms: int) -> bytes:
    """A record with its times moved; garbage stays as it is."""
    record = _RECORDS[feed]()
    try:
        record.ParseFromString(value)
    except DecodeError:
        return value
    try:
        for name in ("event_time_ms", "activation_time_ms"):
            if getattr(record, name, 0) > 0:
                setattr(record, name, getattr(record, name) + by_ms)
    except ValueError:  # garbage that happens to be a record, with a time beyond what can be
        return value
    return bytes(record.SerializeToString())


def due(folder: Path, by_ms: int) -> Iterator[Due]:
    """The records of a city's folder, moved, each with when it is to go out: when it says, not before; in that order.

    Each feed keeps its own order, so one that comes late, or says no time, goes out with those around it in its feed.
    """
    feeds = [_of_feed(number, source, by_ms) for number, source in enumerate(resolve("all", str(folder)))]
    for due_ms, _, _, feed, value in merge(*feeds):  # the first three are unique, so no more is compared
        yield due_ms, feed, moved(feed.name, value, by_ms)


def _of_feed(number: int, source: Input, by_ms: int) -> Iterator[tuple[int, int, int, Feed, bytes]]:
    end_ms = START_MS + DAYS * 24 * HOUR_MS
    newest_ms = 0
    ahead: deque[tuple[int, int, bytes]] = deque()

    def next_due() -> tuple[int, int, int, Feed, bytes]:
        nonlocal newest_ms
        time_ms, record, value = ahead.popleft()
        # one that comes soon has to agree: a time that is nobody's must not hold back the rest
        if time_ms <= max((each[0] for each in ahead), default=time_ms):
            newest_ms = max(newest_ms, time_ms)
        return newest_ms + by_ms, number, record, source.feed, value

    for file in source.files:
        for record, value in read_records(source.feed, file, _MAX_RECORD_BYTES):
            time_ms = source.feed.event_time_ms(value) or 0
            ahead.append((time_ms if time_ms < end_ms else 0, record, value))
            if len(ahead) > _AHEAD:
                yield next_due()
    while ahead:
        yield next_due()


@dataclass
class Sent:
    """How far a stream has come: records handed over, those of before it began, and whether these are all."""

    records: int = 0
    of_before: int = 0
    caught_up: bool = False
    over: bool = False
    failed: str = ""


class CityStream:
    """Sends records when they are due, in a thread of its own, until stopped.

    `sent` says how far it has come; a record that the broker did not take ends it, with the reason in `sent.failed`.
    """

    def __init__(self, records: Iterable[Due], inputs: list[Input]) -> None:
        self.sent = Sent()
        self._records = records
        self._topics = {source.feed.name: source.topic for source in inputs}
        self._stop = Event()
        self._producer = Producer(
            {
                "bootstrap.servers": inputs[0].bootstrap,
                "enable.idempotence": True,
                "partitioner": "murmur2_random",
                "linger.ms": 5,
                "delivery.timeout.ms": int(_GIVE_UP_S * 1000),
                "delivery.report.only.error": True,
                "on_delivery": self._note,
                "log_level": 2,
            }
        )
        self._thread = Thread(target=self._run, name="city", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End; what was handed over is acknowledged then.

        Raises
        ------
        TopicError
            When the broker has not taken a record.
        """
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()
        if self.sent.failed:
            msg = f"a record of the city did not reach its topic: {self.sent.failed}; look at the broker's log"
            raise TopicError(msg)

    def _note(self, error: object, _message: object) -> None:
        if error is not None:
            self.sent.failed = self.sent.failed or str(error)

    def _run(self) -> None:
        began_ms = time.time() * 1000
        sent, producer = self.sent, self._producer
        for due_ms, feed, value in self._records:
            if not sent.caught_up and due_ms > began_ms:
                sent.of_before, sent.caught_up = sent.records, True
            while (wait_s := due_ms / 1000 - time.time()) > 0 and not self._stop.wait(min(wait_s, _TICK_S)):
                producer.poll(0)
            if self._stop.is_set() or sent.failed:
                break
            while True:
                try:
                    producer.produce(self._topics[feed.name], value, feed.subscriber(value))
                    break
                except BufferError:  # the queue is full: the broker is slower than this for a while
                    producer.poll(_TICK_S)
            sent.records += 1
        else:
            if not sent.caught_up:
                sent.of_before, sent.caught_up = sent.records, True
            sent.over = True
        if producer.flush(_GIVE_UP_S):
            sent.failed = sent.failed or f"no answer within {_GIVE_UP_S:.0f} s"
