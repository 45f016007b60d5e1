"""The column encoder writes what the official serializer writes, at the edges of every kind of field."""

from __future__ import annotations

import numpy as np
import pytest

from city.rows import Rows, count_up
from city.wire import Double, Field, Id, Integer, Text, Time, encode
from schemas.pb.livetags.v1.cdr_pb2 import CdrRecord

START_MS = 1_767_225_600_000
NUMBERS = ["8613000000000", "86", ""]
TOTALS = [0, 1, 127, 128, 16_383, 16_384, 2**34, 2**49 - 1]
LENGTHS = [0.0, 0.5, 60.0, 1e-300, 1e15, 3.25, 0.0, 7_200.0]


def _fields() -> list[Field]:
    return [
        Text(1, "number", NUMBERS),
        Id(2, "record"),
        Time(3),
        Integer(4, "kind"),
        Text(6, "peer", NUMBERS),
        Double(7, "duration"),
        Integer(9, "total", 7),
    ]


def test_equals_the_official_serializer() -> None:
    n = len(TOTALS)
    rows = Rows(
        number=np.zeros(n, np.int32),
        record=np.arange(n) << 40,
        time=START_MS + np.arange(n) * 10**10,
        kind=np.arange(n) % 4,
        peer=np.arange(n) % 3,
        duration=np.array(LENGTHS),
        total=np.array(TOTALS),
    )
    octets, used = encode(_fields(), rows)
    ids = set()
    for index in range(n):
        content = octets[index][used[index]].tobytes()
        length, message = content[0], content[1:]
        assert length == len(message)
        read = CdrRecord.FromString(message)
        ids.add(read.record_id)
        expected = CdrRecord(
            msisdn=NUMBERS[0],
            record_id=read.record_id,
            event_time_ms=int(rows["time"][index]),
            kind=index % 4,  # type: ignore[arg-type]
            peer_msisdn=NUMBERS[index % 3],
            duration_s=LENGTHS[index],
            data_bytes_total=TOTALS[index],
        )
        assert message == expected.SerializeToString()
    assert len(ids) == n
    assert {len(each) for each in ids} == {12}


@pytest.mark.parametrize("letters", [10, 125, 126, 127])
def test_prefix_of_long_messages(letters: int) -> None:
    fields: list[Field] = [Text(1, "number", ["x" * letters]), Text(6, "peer", ["y" * letters])]
    rows = Rows(time=np.zeros(1, np.int64), number=np.zeros(1, np.int64), peer=np.zeros(1, np.int64))
    octets, used = encode(fields, rows)
    content = octets[used].tobytes()
    length = content[0] if content[0] < 0x80 else content[0] & 0x7F | content[1] << 7
    assert length == len(content) - (1 if content[0] < 0x80 else 2) == 2 * (letters + 2)


def test_too_long_for_the_prefix() -> None:
    with pytest.raises(ValueError, match="does not fit a prefix of 2"):
        encode([Text(1, "number", ["x" * 127])] * 130, Rows(time=np.zeros(0, np.int64), number=np.zeros(0, np.int64)))


def test_count_up() -> None:
    assert count_up(np.array([2, 0, 3])).tolist() == [0, 1, 0, 1, 2]
    assert count_up(np.array([], np.int64)).tolist() == []
