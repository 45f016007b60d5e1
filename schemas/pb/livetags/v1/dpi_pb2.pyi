from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Optional as _Optional

DESCRIPTOR: _descriptor.FileDescriptor

class DpiRecord(_message.Message):
    __slots__ = ("subscriber_id", "record_id", "event_time_ms", "app", "category", "bytes_up", "bytes_down", "url_host", "search_keyword")
    SUBSCRIBER_ID_FIELD_NUMBER: _ClassVar[int]
    RECORD_ID_FIELD_NUMBER: _ClassVar[int]
    EVENT_TIME_MS_FIELD_NUMBER: _ClassVar[int]
    APP_FIELD_NUMBER: _ClassVar[int]
    CATEGORY_FIELD_NUMBER: _ClassVar[int]
    BYTES_UP_FIELD_NUMBER: _ClassVar[int]
    BYTES_DOWN_FIELD_NUMBER: _ClassVar[int]
    URL_HOST_FIELD_NUMBER: _ClassVar[int]
    SEARCH_KEYWORD_FIELD_NUMBER: _ClassVar[int]
    subscriber_id: str
    record_id: str
    event_time_ms: int
    app: str
    category: str
    bytes_up: int
    bytes_down: int
    url_host: str
    search_keyword: str
    def __init__(self, subscriber_id: _Optional[str] = ..., record_id: _Optional[str] = ..., event_time_ms: _Optional[int] = ..., app: _Optional[str] = ..., category: _Optional[str] = ..., bytes_up: _Optional[int] = ..., bytes_down: _Optional[int] = ..., url_host: _Optional[str] = ..., search_keyword: _Optional[str] = ...) -> None: ...
