from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class RightsAction(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    RIGHTS_ACTION_UNSPECIFIED: _ClassVar[RightsAction]
    RIGHTS_ACTION_ERASE: _ClassVar[RightsAction]
    RIGHTS_ACTION_EXPORT: _ClassVar[RightsAction]
RIGHTS_ACTION_UNSPECIFIED: RightsAction
RIGHTS_ACTION_ERASE: RightsAction
RIGHTS_ACTION_EXPORT: RightsAction

class RightsRecord(_message.Message):
    __slots__ = ("identifier", "record_id", "event_time_ms", "action")
    IDENTIFIER_FIELD_NUMBER: _ClassVar[int]
    RECORD_ID_FIELD_NUMBER: _ClassVar[int]
    EVENT_TIME_MS_FIELD_NUMBER: _ClassVar[int]
    ACTION_FIELD_NUMBER: _ClassVar[int]
    identifier: str
    record_id: str
    event_time_ms: int
    action: RightsAction
    def __init__(self, identifier: _Optional[str] = ..., record_id: _Optional[str] = ..., event_time_ms: _Optional[int] = ..., action: _Optional[_Union[RightsAction, str]] = ...) -> None: ...
