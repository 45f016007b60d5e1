from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class OrderAction(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    ORDER_ACTION_UNSPECIFIED: _ClassVar[OrderAction]
    ORDER_ACTION_SUBSCRIBE: _ClassVar[OrderAction]
    ORDER_ACTION_UNSUBSCRIBE: _ClassVar[OrderAction]
ORDER_ACTION_UNSPECIFIED: OrderAction
ORDER_ACTION_SUBSCRIBE: OrderAction
ORDER_ACTION_UNSUBSCRIBE: OrderAction

class OrderRecord(_message.Message):
    __slots__ = ("account_id", "record_id", "event_time_ms", "action", "product", "amount_yuan")
    ACCOUNT_ID_FIELD_NUMBER: _ClassVar[int]
    RECORD_ID_FIELD_NUMBER: _ClassVar[int]
    EVENT_TIME_MS_FIELD_NUMBER: _ClassVar[int]
    ACTION_FIELD_NUMBER: _ClassVar[int]
    PRODUCT_FIELD_NUMBER: _ClassVar[int]
    AMOUNT_YUAN_FIELD_NUMBER: _ClassVar[int]
    account_id: str
    record_id: str
    event_time_ms: int
    action: OrderAction
    product: str
    amount_yuan: float
    def __init__(self, account_id: _Optional[str] = ..., record_id: _Optional[str] = ..., event_time_ms: _Optional[int] = ..., action: _Optional[_Union[OrderAction, str]] = ..., product: _Optional[str] = ..., amount_yuan: _Optional[float] = ...) -> None: ...
