from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Channel(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    CHANNEL_UNSPECIFIED: _ClassVar[Channel]
    CHANNEL_SMS: _ClassVar[Channel]
    CHANNEL_PUSH: _ClassVar[Channel]
    CHANNEL_CALL: _ClassVar[Channel]
    CHANNEL_POPUP: _ClassVar[Channel]

class ContactResult(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    CONTACT_RESULT_UNSPECIFIED: _ClassVar[ContactResult]
    CONTACT_RESULT_SENT: _ClassVar[ContactResult]
    CONTACT_RESULT_DELIVERED: _ClassVar[ContactResult]
    CONTACT_RESULT_OPENED: _ClassVar[ContactResult]
    CONTACT_RESULT_CLICKED: _ClassVar[ContactResult]
    CONTACT_RESULT_CONVERTED: _ClassVar[ContactResult]
    CONTACT_RESULT_REFUSED: _ClassVar[ContactResult]
    CONTACT_RESULT_UNSUBSCRIBED: _ClassVar[ContactResult]
CHANNEL_UNSPECIFIED: Channel
CHANNEL_SMS: Channel
CHANNEL_PUSH: Channel
CHANNEL_CALL: Channel
CHANNEL_POPUP: Channel
CONTACT_RESULT_UNSPECIFIED: ContactResult
CONTACT_RESULT_SENT: ContactResult
CONTACT_RESULT_DELIVERED: ContactResult
CONTACT_RESULT_OPENED: ContactResult
CONTACT_RESULT_CLICKED: ContactResult
CONTACT_RESULT_CONVERTED: ContactResult
CONTACT_RESULT_REFUSED: ContactResult
CONTACT_RESULT_UNSUBSCRIBED: ContactResult

class ContactRecord(_message.Message):
    __slots__ = ("msisdn", "record_id", "event_time_ms", "channel", "result", "offer", "contact_id")
    MSISDN_FIELD_NUMBER: _ClassVar[int]
    RECORD_ID_FIELD_NUMBER: _ClassVar[int]
    EVENT_TIME_MS_FIELD_NUMBER: _ClassVar[int]
    CHANNEL_FIELD_NUMBER: _ClassVar[int]
    RESULT_FIELD_NUMBER: _ClassVar[int]
    OFFER_FIELD_NUMBER: _ClassVar[int]
    CONTACT_ID_FIELD_NUMBER: _ClassVar[int]
    msisdn: str
    record_id: str
    event_time_ms: int
    channel: Channel
    result: ContactResult
    offer: str
    contact_id: str
    def __init__(self, msisdn: _Optional[str] = ..., record_id: _Optional[str] = ..., event_time_ms: _Optional[int] = ..., channel: _Optional[_Union[Channel, str]] = ..., result: _Optional[_Union[ContactResult, str]] = ..., offer: _Optional[str] = ..., contact_id: _Optional[str] = ...) -> None: ...
