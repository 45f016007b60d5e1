from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Optional as _Optional

DESCRIPTOR: _descriptor.FileDescriptor

class RebuildRecord(_message.Message):
    __slots__ = ("identifier", "record_id", "event_time_ms", "since_ms")
    IDENTIFIER_FIELD_NUMBER: _ClassVar[int]
    RECORD_ID_FIELD_NUMBER: _ClassVar[int]
    EVENT_TIME_MS_FIELD_NUMBER: _ClassVar[int]
    SINCE_MS_FIELD_NUMBER: _ClassVar[int]
    identifier: str
    record_id: str
    event_time_ms: int
    since_ms: int
    def __init__(self, identifier: _Optional[str] = ..., record_id: _Optional[str] = ..., event_time_ms: _Optional[int] = ..., since_ms: _Optional[int] = ...) -> None: ...
