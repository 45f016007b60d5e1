"""A trigger as a message for consumers, as JSON and as protobuf (schemas/proto/livetags/v1/trigger.proto).

Both say the same, and either reads back as the trigger it was made of. JSON gives `event_id` as text, because programs
that read numbers as doubles would round it. It knows no number that is not finite: that is null, and reads back as NaN.
"""

from __future__ import annotations

from math import nan
from typing import Any, cast

import msgspec
from google.protobuf.message import DecodeError
from msgspec.structs import asdict

from schemas.outputs import Trigger
from schemas.pb.livetags.v1.trigger_pb2 import Trigger as TriggerMessage
from schemas.pb.livetags.v1.trigger_pb2 import TriggerValue

_SCALARS = tuple(name for name in Trigger.__struct_fields__ if name not in ("values", "payload"))

_DAMAGED = (
    "not a trigger in {} ({} bytes): expected what docs/triggers.md describes; check which field or topic was read"
)

_to_json = msgspec.json.Encoder().encode


class DamagedTrigger(ValueError):
    """Bytes that are no trigger."""


def as_json(trigger: Trigger) -> bytes:
    """The trigger as a JSON object in UTF-8, its fields named as those of `schemas.outputs.Trigger`."""
    document: dict[str, Any] = asdict(trigger)
    document["event_id"] = str(trigger.event_id)
    return _to_json(document)


def from_json(message: bytes | str) -> Trigger:
    """Inverse of `as_json`; fields it doesn't know are left out.

    Raises
    ------
    DamagedTrigger
        When it is no such object.
    """
    try:
        document = msgspec.json.decode(message, type=dict[str, Any])
        document["event_id"] = int(document["event_id"])
        document["values"] = {name: nan if value is None else value for name, value in document["values"].items()}
        return msgspec.convert([document[name] for name in Trigger.__struct_fields__], Trigger)
    except (KeyError, TypeError, AttributeError, ValueError):
        # the decoder's text can quote values, so it is not passed on
        msg = _DAMAGED.format("JSON", len(message))
        raise DamagedTrigger(msg) from None


def as_protobuf(trigger: Trigger) -> bytes:
    """The trigger as a serialised `livetags.v1.Trigger`."""
    message = TriggerMessage(**{name: getattr(trigger, name) for name in _SCALARS}, payload=trigger.payload)
    for name, value in trigger.values.items():
        message.values[name].CopyFrom(_value(value))
    return message.SerializeToString(deterministic=True)


def from_protobuf(message: bytes) -> Trigger:
    """Inverse of `as_protobuf`; fields and types of values it doesn't know are left out.

    Raises
    ------
    DamagedTrigger
        When it is no such message.
    """
    try:
        read = TriggerMessage.FromString(message)
    except DecodeError:
        msg = _DAMAGED.format("protobuf", len(message))
        raise DamagedTrigger(msg) from None
    values = {name: value for name, each in read.values.items() if (value := _read(each)) is not None}
    scalars = {name: getattr(read, name) for name in _SCALARS}
    return Trigger(**scalars, values=values, payload=dict(read.payload))


def _value(value: str | float | bool) -> TriggerValue:
    if isinstance(value, bool):  # before the numbers: a bool is an int
        return TriggerValue(flag=value)
    return TriggerValue(text=value) if isinstance(value, str) else TriggerValue(number=value)


def _read(value: TriggerValue) -> str | float | bool | None:
    kind = value.WhichOneof("value")
    return None if kind is None else cast("str | float | bool", getattr(value, kind))
