from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Gender(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    GENDER_UNSPECIFIED: _ClassVar[Gender]
    GENDER_FEMALE: _ClassVar[Gender]
    GENDER_MALE: _ClassVar[Gender]
GENDER_UNSPECIFIED: Gender
GENDER_FEMALE: Gender
GENDER_MALE: Gender

class RegistrationRecord(_message.Message):
    __slots__ = ("registrant_ref", "record_id", "event_time_ms", "person_ref", "age", "gender", "region", "activation_time_ms", "device_model", "device_os", "occupation", "plan_tier", "account_id")
    REGISTRANT_REF_FIELD_NUMBER: _ClassVar[int]
    RECORD_ID_FIELD_NUMBER: _ClassVar[int]
    EVENT_TIME_MS_FIELD_NUMBER: _ClassVar[int]
    PERSON_REF_FIELD_NUMBER: _ClassVar[int]
    AGE_FIELD_NUMBER: _ClassVar[int]
    GENDER_FIELD_NUMBER: _ClassVar[int]
    REGION_FIELD_NUMBER: _ClassVar[int]
    ACTIVATION_TIME_MS_FIELD_NUMBER: _ClassVar[int]
    DEVICE_MODEL_FIELD_NUMBER: _ClassVar[int]
    DEVICE_OS_FIELD_NUMBER: _ClassVar[int]
    OCCUPATION_FIELD_NUMBER: _ClassVar[int]
    PLAN_TIER_FIELD_NUMBER: _ClassVar[int]
    ACCOUNT_ID_FIELD_NUMBER: _ClassVar[int]
    registrant_ref: str
    record_id: str
    event_time_ms: int
    person_ref: str
    age: int
    gender: Gender
    region: str
    activation_time_ms: int
    device_model: str
    device_os: str
    occupation: str
    plan_tier: str
    account_id: str
    def __init__(self, registrant_ref: _Optional[str] = ..., record_id: _Optional[str] = ..., event_time_ms: _Optional[int] = ..., person_ref: _Optional[str] = ..., age: _Optional[int] = ..., gender: _Optional[_Union[Gender, str]] = ..., region: _Optional[str] = ..., activation_time_ms: _Optional[int] = ..., device_model: _Optional[str] = ..., device_os: _Optional[str] = ..., occupation: _Optional[str] = ..., plan_tier: _Optional[str] = ..., account_id: _Optional[str] = ...) -> None: ...
