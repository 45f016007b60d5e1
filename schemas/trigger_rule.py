"""A rule of a scene trigger, as people write it: data, never code. One YAML document or one message each.

docs/rules.md explains the fields with examples; ``livetags rules schema`` prints the JSON Schema for editors.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    StringConstraints,
    model_validator,
)

from schemas.nearest import did_you_mean
from schemas.purposes import PURPOSES

FollowingKind = Literal[
    "app_use",
    "presence",
    "call",
    "traffic",
    "recharge",
    "bill",
    "registration",
    "order",
    "contact",
    "drift",
]
"""What an absence can wait for: an event. Evidence for tags is none, so a rule that waited for it always fired."""

EventKind = Literal[FollowingKind, "tags"]
"""What a rule looks at: a kind of cleaned event, a noticed change of behaviour, or any evidence for the rule's tags."""

Shape = Literal["pulse", "level", "fade", "absence", "count"]
Period = Literal["day", "week", "month"]

MAX_CONDITION_CHARS = 1_000
_UNITS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}
_MAX_DURATION = timedelta(days=400)
_DURATION = re.compile(r"[0-9]{1,9}[smhd]")
_TIME = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}([Tt ][0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]{1,6})?)?([Zz]|[+-][0-9]{2}:[0-9]{2})?)?"
)


def _duration(value: object) -> object:
    expected = "expected a duration such as 90s, 20m, 3h or 7d"
    if not isinstance(value, str):
        unit = f": put a unit behind it, such as {value}s or {value}m" if isinstance(value, int) else ""
        msg = f"{expected}, got {value!r}{unit}"
        raise ValueError(msg)
    if not _DURATION.fullmatch(value):
        msg = f"{expected}, got {value!r}"
        raise ValueError(msg)
    seconds = int(value[:-1]) * _UNITS[value[-1]]
    if seconds > _MAX_DURATION.total_seconds():
        msg = f"expected at most {_MAX_DURATION.days}d, got {value!r}"
        raise ValueError(msg)
    return timedelta(seconds=seconds)


def _written(duration: timedelta) -> str:
    seconds = round(duration.total_seconds())
    unit = next(unit for unit in "dhms" if seconds % _UNITS[unit] == 0)
    return f"{seconds // _UNITS[unit]}{unit}"


def _time(value: object) -> object:
    if isinstance(value, datetime) or value is None:
        return value
    if not isinstance(value, str) or not _TIME.fullmatch(value):
        msg = f"expected a time such as 2026-01-31 or 2026-01-31T09:00:00+08:00, got {value!r}"
        raise ValueError(msg)
    return value


def _number(value: object) -> object:
    """What JSON calls a number: pydantic takes "1" and true for one as well."""
    if isinstance(value, str | bool):
        remedy = ": write it without quotes" if isinstance(value, str) and value.isdecimal() else ""
        msg = f"expected a number, got {value!r}{remedy}"
        raise ValueError(msg)
    return value


def _truth(value: object) -> object:
    if not isinstance(value, bool):
        msg = f"expected true or false, got {value!r}"
        raise ValueError(msg)
    return value


def _purpose(value: str) -> str:
    if value not in PURPOSES:
        meant = did_you_mean(value, PURPOSES)
        msg = f"expected one of {', '.join(PURPOSES)}, got {value!r}" + (f": {meant}" if meant else "")
        raise ValueError(msg)
    return value


def _instant(value: datetime) -> datetime:
    return value.replace(tzinfo=UTC) if value.tzinfo is None else value


Duration = Annotated[
    timedelta,
    BeforeValidator(_duration, json_schema_input_type=Annotated[str, Field(pattern=f"^{_DURATION.pattern}$")]),
    PlainSerializer(_written, return_type=str),
]
Time = Annotated[
    datetime,
    BeforeValidator(_time, json_schema_input_type=Annotated[str, Field(pattern=f"^{_TIME.pattern}$")]),
]
Name = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,47}$")]
Condition = Annotated[str, StringConstraints(max_length=MAX_CONDITION_CHARS), AfterValidator(str.strip)]
Words = Annotated[list[Annotated[str, StringConstraints(min_length=1, max_length=200)]], Field(min_length=1)]
Match = dict[Name, Words]
"""Variable of the event -> values it may have; all must hold. Rules are indexed by these."""
Number = BeforeValidator(_number)
Weight = Annotated[float, Field(gt=0), Number]

NO_TIME = timedelta(0)


class Inconsistent(ValueError):
    """Fields that are right each by itself and don't go together; `faults` are (field, reason), of `rule`."""

    def __init__(self, rule: TriggerRule, faults: list[tuple[str, str]]) -> None:
        self.rule = rule
        self.faults = faults
        super().__init__("; ".join(f"{field}: {reason}" for field, reason in faults))


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Selection(_Strict):
    """Events of a kind of which a condition holds."""

    on: FollowingKind = Field(description="kind of event")
    match: Match = Field(default_factory=dict, description="values that variables of the event may have")
    when: Condition = Field("", description="condition in CEL; empty: always true")


class TriggerRule(_Strict):
    """One rule of a scene trigger."""

    id: Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9-]{0,63}$")] = Field(
        description="its name, which stays through versions"
    )
    version: Annotated[int, Number] = Field(
        ge=1, le=1_000_000, description="raised with every change; a version is never edited"
    )
    owner: str = Field(min_length=1, max_length=200, description="team that answers for it")
    purpose: Annotated[str, AfterValidator(_purpose)] = Field(
        description="what the person must have consented to", json_schema_extra={"enum": list(PURPOSES)}
    )
    scene: str = Field(min_length=1, max_length=200, description="the situation, in words")
    priority: Annotated[int, Number] = Field(
        50, ge=0, le=100, description="higher goes first where reach has to choose"
    )
    valid_from: Time | None = Field(None, description="does not fire before; UTC if it says no zone")
    valid_to: Time | None = Field(None, description="does not fire from then on")
    shadow: Annotated[bool, BeforeValidator(_truth)] = Field(False, description="evaluated and recorded, not sent")

    shape: Shape = Field(
        description="pulse: each event that qualifies. level: a situation begins, lasts, or ends. fade: a tag decays "
        "below a level, with no event. absence: this, and then not that. count: so many times within a window."
    )
    on: EventKind = Field(description="kind of event it looks at")
    match: Match = Field(default_factory=dict, description="values that variables of the event may have")
    tags: dict[Name, str] = Field(
        default_factory=dict, description="name in the conditions -> <group>:<tag>, whose decayed weight it stands for"
    )
    when: Condition = Field("", description="condition in CEL; empty: always true")
    until: Condition = Field("", description="level: when it ends; empty: when `when` or `match` no longer holds")
    fire: Literal["enter", "exit"] = Field("enter", description="level: at its beginning or at its end")
    hold: Duration = Field(NO_TIME, description="level: so long it must last before it counts: dwelling")
    hold_exit: Duration = Field(NO_TIME, description="level: so long it must be over before it counts as ended")
    above: Weight | None = Field(None, description="fade: weight from which on the tag counts as present")
    below: Weight | None = Field(None, description="fade: weight at which it counts as gone")
    unless: Selection | None = Field(None, description="absence: what must not follow")
    within: Duration = Field(NO_TIME, description="absence: how soon; count: within which window")
    times: Annotated[int, Number] = Field(1, ge=1, le=100, description="count: how often")

    cooldown: Duration = Field(NO_TIME, description="after firing for a person, silent for so long")
    once_per: Period | None = Field(None, description="fires at most once per person and local day, week or month")
    payload: dict[Name, str] = Field(default_factory=dict, description="passed on to whoever acts on the trigger")

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        faults = [
            (field, f"only of shape {' or '.join(shapes)}, got {self.shape}")
            for field, shapes in ONLY_OF.items()
            if self.shape not in shapes and field in self.model_fields_set
        ]
        faults += [
            (field, f"shape {self.shape} needs it, such as {field}: {NEEDED_BY[self.shape][field]}")
            for field in NEEDED_BY.get(self.shape, ())
            if not getattr(self, field)
        ]
        if self.shape == "fade":
            faults += self._fade_faults()
        elif self.on == "tags" and not self.tags:
            faults.append(("tags", "a rule on tags names at least one, such as tags: {video: content:video}"))
        if self.valid_from and self.valid_to and _instant(self.valid_from) >= _instant(self.valid_to):
            faults.append(("valid_to", "expected a time after valid_from"))
        if faults:
            raise Inconsistent(self, faults)
        return self

    def _fade_faults(self) -> list[tuple[str, str]]:
        faults = []
        if self.on != "tags":
            faults.append(("on", f"a fade is on: tags, got {self.on}"))
        if len(self.tags) != 1:
            faults.append(("tags", f"a fade is of exactly one tag, got {len(self.tags)}"))
        if self.above is not None and self.below is not None and self.below >= self.above:
            faults.append(("below", f"expected less than above, got {self.below:g} and {self.above:g}"))
        return faults

    @property
    def valid_ms(self) -> tuple[int, int]:
        """Instants between which it may fire, milliseconds since the epoch: from, and before."""
        begin = round(_instant(self.valid_from).timestamp() * 1_000) if self.valid_from else 0
        return begin, round(_instant(self.valid_to).timestamp() * 1_000) if self.valid_to else FOREVER_MS

    def document(self) -> dict[str, Any]:
        """As written: what is not its default, ready for YAML or JSON."""
        return self.model_dump(mode="json", exclude_defaults=True)


FOREVER_MS = 1 << 62
ONLY_OF: dict[str, tuple[Shape, ...]] = {
    "until": ("level",),
    "fire": ("level",),
    "hold": ("level",),
    "hold_exit": ("level",),
    "above": ("fade",),
    "below": ("fade",),
    "unless": ("absence",),
    "within": ("absence", "count"),
    "times": ("count",),
}
"""Field -> shapes that have it."""
NEEDED_BY: dict[Shape, dict[str, str]] = {
    "fade": {"above": "10", "below": "2"},
    "absence": {"unless": "{on: order}", "within": "2h"},
    "count": {"within": "7d"},
}
"""Shape -> fields it can't do without, each with an example."""
