from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class SignallingKind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    SIGNALLING_KIND_UNSPECIFIED: _ClassVar[SignallingKind]
    SIGNALLING_KIND_ATTACH: _ClassVar[SignallingKind]
    SIGNALLING_KIND_HANDOVER: _ClassVar[SignallingKind]
    SIGNALLING_KIND_LOCATION_UPDATE: _ClassVar[SignallingKind]
    SIGNALLING_KIND_DETACH: _ClassVar[SignallingKind]
SIGNALLING_KIND_UNSPECIFIED: SignallingKind
SIGNALLING_KIND_ATTACH: SignallingKind
SIGNALLING_KIND_HANDOVER: SignallingKind
SIGNALLING_KIND_LOCATION_UPDATE: SignallingKind
SIGNALLING_KIND_DETACH: SignallingKind

class SignallingRecord(_message.Message):
    __slots__ = ("imsi", "record_id", "event_time_ms", "kind", "cell_id", "province")
    IMSI_FIELD_NUMBER: _ClassVar[int]
    RECORD_ID_FIELD_NUMBER: _ClassVar[int]
    EVENT_TIME_MS_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    CELL_ID_FIELD_NUMBER: _ClassVar[int]
    PROVINCE_FIELD_NUMBER: _ClassVar[int]
    imsi: str
    record_id: str
    event_time_ms: int
    kind: SignallingKind
    cell_id: str
    province: str
    def __init__(self, imsi: _Optional[str] = ..., record_id: _Optional[str] = ..., event_time_ms: _Optional[int] = ..., kind: _Optional[_Union[SignallingKind, str]] = ..., cell_id: _Optional[str] = ..., province: _Optional[str] = ...) -> None: ...
