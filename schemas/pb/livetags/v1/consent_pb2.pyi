from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class ConsentList(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    CONSENT_LIST_UNSPECIFIED: _ClassVar[ConsentList]
    CONSENT_LIST_NECESSARY: _ClassVar[ConsentList]
    CONSENT_LIST_OPTIONAL: _ClassVar[ConsentList]

class ConsentDecision(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    CONSENT_DECISION_UNSPECIFIED: _ClassVar[ConsentDecision]
    CONSENT_DECISION_GRANTED: _ClassVar[ConsentDecision]
    CONSENT_DECISION_WITHDRAWN: _ClassVar[ConsentDecision]
CONSENT_LIST_UNSPECIFIED: ConsentList
CONSENT_LIST_NECESSARY: ConsentList
CONSENT_LIST_OPTIONAL: ConsentList
CONSENT_DECISION_UNSPECIFIED: ConsentDecision
CONSENT_DECISION_GRANTED: ConsentDecision
CONSENT_DECISION_WITHDRAWN: ConsentDecision

class ConsentRecord(_message.Message):
    __slots__ = ("msisdn", "record_id", "event_time_ms", "list", "purpose", "decision", "list_version")
    MSISDN_FIELD_NUMBER: _ClassVar[int]
    RECORD_ID_FIELD_NUMBER: _ClassVar[int]
    EVENT_TIME_MS_FIELD_NUMBER: _ClassVar[int]
    LIST_FIELD_NUMBER: _ClassVar[int]
    PURPOSE_FIELD_NUMBER: _ClassVar[int]
    DECISION_FIELD_NUMBER: _ClassVar[int]
    LIST_VERSION_FIELD_NUMBER: _ClassVar[int]
    msisdn: str
    record_id: str
    event_time_ms: int
    list: ConsentList
    purpose: str
    decision: ConsentDecision
    list_version: int
    def __init__(self, msisdn: _Optional[str] = ..., record_id: _Optional[str] = ..., event_time_ms: _Optional[int] = ..., list: _Optional[_Union[ConsentList, str]] = ..., purpose: _Optional[str] = ..., decision: _Optional[_Union[ConsentDecision, str]] = ..., list_version: _Optional[int] = ...) -> None: ...
