"""A rule of a scene trigger, as people write it: data, never code. One YAML document or one message each.

docs/rules.md explains the fields with examples; ``livetags rules schema`` prints the JSON Schema for editors.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer, StringConstraints, model_validator

from schemas.purposes import PURPOSES

EventKind = Literal[
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
    "tags",
]
"""What a rule looks at: a kind of cleaned event, a noticed change of behaviour, or any evidence for the rule's tags."""

Shape = Literal["pulse", "level", "fade", "absence", "count"]
Period = Literal["day", "week", "month"]

MAX_CONDITION_CHARS = 1_000
_UNITS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}
_MAX_DURATION = timedelta(days=400)


def _duration(value: object) -> object:
    if not isinstance(value, str):
        msg = "expected a duration such as 90s, 20m, 3h or 7d"
        raise ValueError(msg)
    number, unit = value[:-1], value[-1:]
    if unit not in _UNITS or not number.isascii() or not number.isdigit():
        msg = f"expected a duration such as 90s, 20m, 3h or 7d, got {value!r}"
        raise ValueError(msg)
    seconds = int(number) * _UNITS[unit]
    if seconds > _MAX_DURATION.total_seconds():
        msg = f"expected at most {_MAX_DURATION.days}d, got {value!r}"
        raise ValueError(msg)
    return timedelta(seconds=seconds)


def _written(duration: timedelta) -> str:
    seconds = round(duration.total_seconds())
    unit = next(unit for unit in "dhms" if seconds % _UNITS[unit] == 0)
    return f"{seconds // _UNITS[unit]}{unit}"


def _instant(value: datetime) -> datetime:
    return value.replace(tzinfo=UTC) if value.tzinfo is None else value


Duration = Annotated[
    timedelta,
    BeforeValidator(_duration, json_schema_input_type=Annotated[str, Field(pattern=r"^[0-9]+[smhd]$")]),
    PlainSerializer(_written, return_type=str),
]
Name = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,47}$")]
Condition = Annotated[str, StringConstraints(max_length=MAX_CONDITION_CHARS, strip_whitespace=True)]
Words = Annotated[list[Annotated[str, StringConstraints(min_length=1, max_length=200)]], Field(min_length=1)]
Match = dict[Name, Words]
"""Variable of the event -> values it may have; all must hold. Rules are indexed by these."""

NO_TIME = timedelta(0)


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Selection(_Strict):
    """Events of a kind of which a condition holds."""

    on: EventKind = Field(description="kind of event")
    match: Match = Field(default_factory=dict, description="values that variables of the event may have")
    when: Condition = Field("", description="condition in CEL; empty: always true")


class TriggerRule(_Strict):
    """One rule of a scene trigger."""

    id: Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9-]{0,63}$")] = Field(
        description="stays through versions"
    )
    version: int = Field(ge=1, le=1_000_000, description="raised with every change; a version is never edited")
    owner: str = Field(min_length=1, max_length=200, description="team that answers for it")
    purpose: str = Field(description="what the person must have consented to")
    scene: str = Field(min_length=1, max_length=200, description="the situation, in words")
    priority: int = Field(50, ge=0, le=100, description="higher goes first where reach has to choose")
    valid_from: datetime | None = Field(None, description="does not fire before; UTC if it says no zone")
    valid_to: datetime | None = Field(None, description="does not fire from then on")
    shadow: bool = Field(False, description="evaluated and recorded, not sent")

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
    above: float | None = Field(None, gt=0, description="fade: weight from which on the tag counts as present")
    below: float | None = Field(None, gt=0, description="fade: weight at which it counts as gone")
    unless: Selection | None = Field(None, description="absence: what must not follow")
    within: Duration = Field(NO_TIME, description="absence: how soon; count: within which window")
    times: int = Field(1, ge=1, le=100, description="count: how often")

    cooldown: Duration = Field(NO_TIME, description="after firing for a person, silent for so long")
    once_per: Period | None = Field(None, description="fires at most once per person and local day, week or month")
    payload: dict[Name, str] = Field(default_factory=dict, description="passed on to whoever acts on the trigger")

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.purpose not in PURPOSES:
            msg = f"purpose: expected one of {', '.join(PURPOSES)}, got {self.purpose!r}"
            raise ValueError(msg)
        for field, shapes in _ONLY_OF.items():
            if self.shape not in shapes and field in self.model_fields_set:
                msg = f"{field}: only of shape {' or '.join(shapes)}, got {self.shape}"
                raise ValueError(msg)
        for field in _NEEDED_BY.get(self.shape, ()):
            if not getattr(self, field):
                msg = f"{field}: shape {self.shape} needs it"
                raise ValueError(msg)
        if self.shape == "fade":
            self._check_fade()
        elif self.on == "tags" and not self.tags:
            msg = "tags: a rule on tags names at least one"
            raise ValueError(msg)
        if self.valid_from and self.valid_to and _instant(self.valid_from) >= _instant(self.valid_to):
            msg = "valid_to: expected a time after valid_from"
            raise ValueError(msg)
        return self

    def _check_fade(self) -> None:
        if self.on != "tags" or len(self.tags) != 1:
            msg = "tags: a fade is on: tags, and of exactly one"
            raise ValueError(msg)
        assert self.above is not None
        assert self.below is not None
        if self.below >= self.above:
            msg = f"below: expected less than above, got {self.below:g} and {self.above:g}"
            raise ValueError(msg)

    @property
    def valid_ms(self) -> tuple[int, int]:
        """Instants between which it may fire, milliseconds since the epoch: from, and before."""
        begin = round(_instant(self.valid_from).timestamp() * 1_000) if self.valid_from else 0
        return begin, round(_instant(self.valid_to).timestamp() * 1_000) if self.valid_to else FOREVER_MS

    def document(self) -> dict[str, Any]:
        """As written: what is not its default, ready for YAML or JSON."""
        return self.model_dump(mode="json", exclude_defaults=True)


FOREVER_MS = 1 << 62
_ONLY_OF: dict[str, tuple[Shape, ...]] = {
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
_NEEDED_BY: dict[Shape, tuple[str, ...]] = {
    "fade": ("above", "below"),
    "absence": ("unless", "within"),
    "count": ("within",),
}
