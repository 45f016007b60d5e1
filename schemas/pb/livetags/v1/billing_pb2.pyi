from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class BillingKind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    BILLING_KIND_UNSPECIFIED: _ClassVar[BillingKind]
    BILLING_KIND_MONTHLY_BILL: _ClassVar[BillingKind]
    BILLING_KIND_RECHARGE: _ClassVar[BillingKind]
    BILLING_KIND_BALANCE: _ClassVar[BillingKind]
BILLING_KIND_UNSPECIFIED: BillingKind
BILLING_KIND_MONTHLY_BILL: BillingKind
BILLING_KIND_RECHARGE: BillingKind
BILLING_KIND_BALANCE: BillingKind

class BillingRecord(_message.Message):
    __slots__ = ("account_id", "record_id", "event_time_ms", "kind", "amount_yuan", "plan_tier", "remaining_mb", "included_mb")
    ACCOUNT_ID_FIELD_NUMBER: _ClassVar[int]
    RECORD_ID_FIELD_NUMBER: _ClassVar[int]
    EVENT_TIME_MS_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    AMOUNT_YUAN_FIELD_NUMBER: _ClassVar[int]
    PLAN_TIER_FIELD_NUMBER: _ClassVar[int]
    REMAINING_MB_FIELD_NUMBER: _ClassVar[int]
    INCLUDED_MB_FIELD_NUMBER: _ClassVar[int]
    account_id: str
    record_id: str
    event_time_ms: int
    kind: BillingKind
    amount_yuan: float
    plan_tier: str
    remaining_mb: float
    included_mb: float
    def __init__(self, account_id: _Optional[str] = ..., record_id: _Optional[str] = ..., event_time_ms: _Optional[int] = ..., kind: _Optional[_Union[BillingKind, str]] = ..., amount_yuan: _Optional[float] = ..., plan_tier: _Optional[str] = ..., remaining_mb: _Optional[float] = ..., included_mb: _Optional[float] = ...) -> None: ...
