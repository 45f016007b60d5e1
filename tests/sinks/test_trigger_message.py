"""Triggers as messages: both forms say all, and read back exactly."""

from __future__ import annotations

import json
import math
from struct import pack

import pytest
from hypothesis import given
from made_triggers import T0_MS, any_trigger, trigger

from schemas.outputs import Trigger
from schemas.pb.livetags.v1.trigger_pb2 import Trigger as TriggerMessage
from sinks.trigger_message import DamagedTrigger, as_json, as_protobuf, from_json, from_protobuf


def same(one: Trigger, other: Trigger) -> bool:
    """Equal, every number to the bit and every value of the same type."""
    bits = [
        {name: pack(">d", value) if isinstance(value, float) else value for name, value in each.values.items()}
        for each in (one, other)
    ]
    types = [{name: type(value) for name, value in each.values.items()} for each in (one, other)]
    return one == other and bits[0] == bits[1] and types[0] == types[1]


@given(any_trigger)
def test_either_form_reads_back_as_it_was(made: Trigger) -> None:
    assert same(from_json(as_json(made)), made)
    assert same(from_json(as_json(made).decode()), made)
    assert same(from_protobuf(as_protobuf(made)), made)


def test_the_json_is_a_plain_object() -> None:
    assert json.loads(as_json(trigger())) == {
        "id": "id-1",
        "user": "p.one",
        "rule": "traffic-surge",
        "version": 2,
        "scene": "uses much more data than usual",
        "purpose": "marketing",
        "priority": 60,
        "cause": "pulse",
        "episode": str(T0_MS + 1),
        "at_ms": T0_MS + 1,
        "decided_ms": T0_MS + 41,
        "shadow": False,
        "feed": "dpi",
        "log": "livetags.dpi",
        "partition": 3,
        "offset": 7_001,
        "event_id": "18446744073709551615",
        "values": {"app": "抖音", "window_mb": 82.5, "surge": 0.30000000000000004, "roaming": True},
        "payload": {"offer": "pack 10g"},
    }


def test_the_message_has_every_field_under_its_name() -> None:
    names = [field.name for field in TriggerMessage.DESCRIPTOR.fields]
    assert names == list(Trigger.__struct_fields__)


def test_numbers_that_json_does_not_know_are_null_and_exact_in_protobuf() -> None:
    odd = trigger(values={"a": math.inf, "b": math.nan})
    assert json.loads(as_json(odd))["values"] == {"a": None, "b": None}
    assert all(math.isnan(value) for value in from_json(as_json(odd)).values.values())  # type: ignore[arg-type]
    read = from_protobuf(as_protobuf(odd)).values
    assert read["a"] == math.inf
    assert math.isnan(read["b"])  # type: ignore[arg-type]


def test_what_a_newer_build_adds_is_left_out() -> None:
    document = {**json.loads(as_json(trigger())), "new": 1}
    assert from_json(json.dumps(document)) == trigger()
    message = TriggerMessage.FromString(as_protobuf(trigger()))
    message.values["new"].SetInParent()
    assert from_protobuf(message.SerializeToString() + b"\xfa\x07\x01x") == trigger()


@pytest.mark.parametrize("message", [b"", b"{", b"[]", b"{}", b'"secret"', b'{"id": "secret"}', b"\xff\xfe"])
def test_damage_is_an_error_that_quotes_nothing(message: bytes) -> None:
    with pytest.raises(DamagedTrigger, match=r"not a trigger in JSON \(\d+ bytes\).*docs/triggers.md") as refusal:
        from_json(message)
    assert "secret" not in str(refusal.value)


def test_a_field_of_another_type_is_damage() -> None:
    for name, value in (("at_ms", "soon"), ("values", []), ("values", {"a": {}}), ("cause", "whim"), ("event_id", "x")):
        document = {**json.loads(as_json(trigger())), name: value}
        with pytest.raises(DamagedTrigger):
            from_json(json.dumps(document))


def test_bytes_that_are_no_message_are_damage() -> None:
    with pytest.raises(DamagedTrigger, match=r"not a trigger in protobuf \(3 bytes\)"):
        from_protobuf(b"\x0a\xff\xff")
