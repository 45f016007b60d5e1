"""What the tests of all protobuf feeds share: a fake of the pseudonyms, and the checks every feed must pass."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

import pytest
from google.protobuf.message import Message
from hypothesis import settings
from hypothesis import strategies as st

from schemas.events import Event
from schemas.pseudonyms import DOCUMENT
from schemas.reasons import Reason, Rejected
from sources.feed import Feed

quick = settings(max_examples=200, deadline=None)
any_bytes = st.binary(max_size=300)
any_key = st.binary(max_size=10)


class HashedPseudonyms:
    """Short hashes, of identifiers and of persons apart."""

    def identifier(self, raw: str) -> str:
        return "i." + blake2b(raw.encode(), digest_size=8).hexdigest()

    def person(self, reference: str) -> str:
        return "p." + blake2b(reference.encode(), digest_size=8).hexdigest()


PSEUDONYMS = HashedPseudonyms()


@dataclass(frozen=True)
class FeedChecks:
    """A feed with one good record of it; `raw` lists the fields that hold raw identifiers, that of the key first."""

    feed: Feed
    message: type[Message]
    good: dict[str, Any]
    raw: tuple[str, ...]

    @property
    def key(self) -> bytes:
        return str(self.good[self.raw[0]]).encode()

    def record(self, **changed: Any) -> bytes:
        return self.message(**{**self.good, **changed}).SerializeToString()

    def decode(self, value: bytes, key: bytes | None = None) -> Any:
        return self.feed.decode(self.key if key is None else key, value, PSEUDONYMS)

    def reason_of(self, value: bytes, key: bytes | None = None) -> Reason:
        with pytest.raises(Rejected) as rejected:
            self.decode(value, key)
        assert str(rejected.value) == rejected.value.reason.value
        return rejected.value.reason

    def refused_by_all(self) -> list[tuple[bytes, Reason]]:
        """Records that any feed refuses, each with its reason."""
        return [
            (self.record(**{self.raw[0]: "another"}), Reason.KEY_MISMATCH),
            (self.record(record_id=""), Reason.EVENT_ID_MISSING),
            (b"", Reason.EVENT_ID_MISSING),
            (b"\x0a" + bytes([len(self.key)]) + self.key + b"\x10\x05", Reason.EVENT_ID_MISSING),  # a number for an id
            (self.record()[:-1], Reason.MALFORMED),
            (self.record()[:5], Reason.MALFORMED),
            (b"\x0a\x02\xff\xfe", Reason.MALFORMED),  # not UTF-8
            (b"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", Reason.MALFORMED),  # a length without end
            (b"\x0f", Reason.MALFORMED),  # wire type 7
            (b"\x00\x00", Reason.MALFORMED),  # field 0
            (b"\x0b" * 100_000, Reason.MALFORMED),  # groups without end
            (b"\xff" * 1_000_000, Reason.MALFORMED),
            (b'{"record_id": "r-1"}', Reason.MALFORMED),
        ]

    @property
    def prefix(self) -> str:
        """A document never counts as a number written alike."""
        return DOCUMENT if self.feed.name == "registration" else ""

    def assert_the_rest_holds(self) -> None:
        """Keys, unknown fields, times, and no raw identifier in the event."""
        value = self.record()
        event = self.decode(value)
        assert self.feed.subscriber(value) == self.key
        assert event.user == PSEUDONYMS.identifier(self.prefix + self.key.decode())
        assert event == self.decode(value + b"\xf8\x07\x07")  # a field the message does not know
        assert event == self.decode(self.record(**{self.raw[0]: ""}))
        for name in self.raw:
            assert self.good[name] not in repr(event)

        assert self.reason_of(value, b"") is Reason.KEY_MISSING
        assert self.reason_of(value, b"\xff") is Reason.MALFORMED

        assert self.feed.event_time_ms(value) == self.good["event_time_ms"] == event.event_time_ms
        assert self.feed.event_time_ms(self.record(event_time_ms=0)) is None
        assert self.feed.event_time_ms(value[:-1]) is None
        for time_ms in (-(2**63), -1, 0, 253402300800000, 2**63 - 1):  # left for later to refuse
            assert self.decode(self.record(event_time_ms=time_ms)).event_time_ms == time_ms

        assert self.feed.topic == f"livetags.{self.feed.name}"
        assert (self.feed.file_format, self.feed.file_suffix, self.feed.linked) == ("delimited", ".pb", True)

    def assert_an_event_or_refused(self, value: bytes, key: bytes) -> None:
        """Any bytes whatever: an event of the key, or `Rejected`; never anything else."""
        found = self.feed.subscriber(value)
        assert found is None or found in value
        self.feed.event_time_ms(value)
        try:
            event = self.decode(value, key)
        except Rejected:
            return
        assert isinstance(event, Event)
        assert event.user == PSEUDONYMS.identifier(self.prefix + key.decode())
        assert 0 <= event.event_id < 2**64

    def assert_damage_is_an_event_or_refused(self, data: st.DataObject) -> None:
        """The good record with bytes changed and its end cut off, keyed as the engine would."""
        value = bytearray(self.record())
        for _ in range(data.draw(st.integers(1, 4))):
            value[data.draw(st.integers(0, len(value) - 1))] = data.draw(st.integers(0, 255))
        damaged = bytes(value[: data.draw(st.integers(0, len(value)))])
        self.assert_an_event_or_refused(damaged, self.feed.subscriber(damaged) or b"")
        self.assert_an_event_or_refused(damaged, self.key)
