"""A simulated city as of now: its records, moved to the present, go to the feeds' topics when their time has come.

Cities live in January 2026. Here every time is moved by the same whole number of hours, so that it is evening there,
when people do most; what has been that day goes out at once, the rest in real time.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from threading import Event, Thread

from confluent_kafka import Producer
from google.protobuf.message import DecodeError

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
from sources.replay import in_step

DAYS = 2
"""How long a city is made for; it is over 37 hours after it was started."""

_HOUR_MS = 3_600_000
_BEGINS_MS = 1_767_225_600_000  # a city does, at 8 o'clock there
_EVENING_MS = _BEGINS_MS + 11 * _HOUR_MS
_CITYS_OFFSET_H = 8
_MAX_RECORD_BYTES = 1 << 20
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
    return now_ms // _HOUR_MS * _HOUR_MS - _EVENING_MS


def utc_offset_hours(by_ms: int) -> int:
    """Local time of a city that was moved, -12 to 11: what the setting of that name has to be."""
    return (_CITYS_OFFSET_H - by_ms // _HOUR_MS + 12) % 24 - 12


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
    """The records of a city's folder in their order, moved, each with when it is to go out.

    A record that comes late, or says no time, goes out with those around it.
    """
    inputs = resolve("all", str(folder))
    end_ms = _BEGINS_MS + DAYS * 24 * _HOUR_MS
    newest_ms = last_ms = 0
    for number, _, _, value in in_step([(source.feed, source.files) for source in inputs], _MAX_RECORD_BYTES):
        feed = inputs[number].feed
        time_ms = feed.event_time_ms(value)
        if time_ms is not None and time_ms < end_ms:
            # two have to agree: a time that is nobody's must not hold back the rest
            newest_ms, last_ms = max(newest_ms, min(last_ms, time_ms)), time_ms
        yield newest_ms + by_ms, feed, moved(feed.name, value, by_ms)


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
