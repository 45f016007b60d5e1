from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Mapping as _Mapping, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class TriggerValue(_message.Message):
    __slots__ = ("text", "number", "flag")
    TEXT_FIELD_NUMBER: _ClassVar[int]
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    FLAG_FIELD_NUMBER: _ClassVar[int]
    text: str
    number: float
    flag: bool
    def __init__(self, text: _Optional[str] = ..., number: _Optional[float] = ..., flag: bool = ...) -> None: ...

class Trigger(_message.Message):
    __slots__ = ("id", "user", "rule", "version", "scene", "purpose", "priority", "cause", "episode", "at_ms", "decided_ms", "shadow", "feed", "log", "partition", "offset", "event_id", "values", "payload")
    class ValuesEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: TriggerValue
        def __init__(self, key: _Optional[str] = ..., value: _Optional[_Union[TriggerValue, _Mapping]] = ...) -> None: ...
    class PayloadEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    ID_FIELD_NUMBER: _ClassVar[int]
    USER_FIELD_NUMBER: _ClassVar[int]
    RULE_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    SCENE_FIELD_NUMBER: _ClassVar[int]
    PURPOSE_FIELD_NUMBER: _ClassVar[int]
    PRIORITY_FIELD_NUMBER: _ClassVar[int]
    CAUSE_FIELD_NUMBER: _ClassVar[int]
    EPISODE_FIELD_NUMBER: _ClassVar[int]
    AT_MS_FIELD_NUMBER: _ClassVar[int]
    DECIDED_MS_FIELD_NUMBER: _ClassVar[int]
    SHADOW_FIELD_NUMBER: _ClassVar[int]
    FEED_FIELD_NUMBER: _ClassVar[int]
    LOG_FIELD_NUMBER: _ClassVar[int]
    PARTITION_FIELD_NUMBER: _ClassVar[int]
    OFFSET_FIELD_NUMBER: _ClassVar[int]
    EVENT_ID_FIELD_NUMBER: _ClassVar[int]
    VALUES_FIELD_NUMBER: _ClassVar[int]
    PAYLOAD_FIELD_NUMBER: _ClassVar[int]
    id: str
    user: str
    rule: str
    version: int
    scene: str
    purpose: str
    priority: int
    cause: str
    episode: str
    at_ms: int
    decided_ms: int
    shadow: bool
    feed: str
    log: str
    partition: int
    offset: int
    event_id: int
    values: _containers.MessageMap[str, TriggerValue]
    payload: _containers.ScalarMap[str, str]
    def __init__(self, id: _Optional[str] = ..., user: _Optional[str] = ..., rule: _Optional[str] = ..., version: _Optional[int] = ..., scene: _Optional[str] = ..., purpose: _Optional[str] = ..., priority: _Optional[int] = ..., cause: _Optional[str] = ..., episode: _Optional[str] = ..., at_ms: _Optional[int] = ..., decided_ms: _Optional[int] = ..., shadow: bool = ..., feed: _Optional[str] = ..., log: _Optional[str] = ..., partition: _Optional[int] = ..., offset: _Optional[int] = ..., event_id: _Optional[int] = ..., values: _Optional[_Mapping[str, TriggerValue]] = ..., payload: _Optional[_Mapping[str, str]] = ...) -> None: ...
