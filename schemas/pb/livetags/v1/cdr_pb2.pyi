from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class CdrKind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    CDR_KIND_UNSPECIFIED: _ClassVar[CdrKind]
    CDR_KIND_VOICE: _ClassVar[CdrKind]
    CDR_KIND_SMS: _ClassVar[CdrKind]
    CDR_KIND_DATA: _ClassVar[CdrKind]

class CdrDirection(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    CDR_DIRECTION_UNSPECIFIED: _ClassVar[CdrDirection]
    CDR_DIRECTION_OUTGOING: _ClassVar[CdrDirection]
    CDR_DIRECTION_INCOMING: _ClassVar[CdrDirection]
CDR_KIND_UNSPECIFIED: CdrKind
CDR_KIND_VOICE: CdrKind
CDR_KIND_SMS: CdrKind
CDR_KIND_DATA: CdrKind
CDR_DIRECTION_UNSPECIFIED: CdrDirection
CDR_DIRECTION_OUTGOING: CdrDirection
CDR_DIRECTION_INCOMING: CdrDirection

class CdrRecord(_message.Message):
    __slots__ = ("msisdn", "record_id", "event_time_ms", "kind", "direction", "peer_msisdn", "duration_s", "parties", "data_bytes_total")
    MSISDN_FIELD_NUMBER: _ClassVar[int]
    RECORD_ID_FIELD_NUMBER: _ClassVar[int]
    EVENT_TIME_MS_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    DIRECTION_FIELD_NUMBER: _ClassVar[int]
    PEER_MSISDN_FIELD_NUMBER: _ClassVar[int]
    DURATION_S_FIELD_NUMBER: _ClassVar[int]
    PARTIES_FIELD_NUMBER: _ClassVar[int]
    DATA_BYTES_TOTAL_FIELD_NUMBER: _ClassVar[int]
    msisdn: str
    record_id: str
    event_time_ms: int
    kind: CdrKind
    direction: CdrDirection
    peer_msisdn: str
    duration_s: float
    parties: int
    data_bytes_total: int
    def __init__(self, msisdn: _Optional[str] = ..., record_id: _Optional[str] = ..., event_time_ms: _Optional[int] = ..., kind: _Optional[_Union[CdrKind, str]] = ..., direction: _Optional[_Union[CdrDirection, str]] = ..., peer_msisdn: _Optional[str] = ..., duration_s: _Optional[float] = ..., parties: _Optional[int] = ..., data_bytes_total: _Optional[int] = ...) -> None: ...
