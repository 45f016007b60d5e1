"""What is wrong with a document that is no rule, in the words of whoever wrote it: what was got, what was expected."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from pydantic import ValidationError

from schemas.nearest import did_you_mean
from schemas.trigger_rule import Inconsistent, Selection, TriggerRule

_CUT = 80
_EXAMPLES = {
    "id": "small letters, digits and dashes, a letter first, 64 at most, such as video-fan",
    "version": "a whole number, such as 1",
    "priority": "a whole number from 0 to 100",
    "times": "a whole number, such as 3",
    "match": "names of variables, each with its values, such as {category: [video]}",
    "tags": "names, each with a tag, such as {video: content:video}",
    "payload": "names, each with its text, such as {offer: video_pass}",
    "when": "a condition, such as when: flow_mb > 1.0",
    "until": "a condition, such as until: flow_mb < 1.0",
    "unless": "on, and match and when if needed, such as {on: order}",
}


def said(error: ValidationError) -> list[tuple[str, str]]:
    """Field and reason of everything that is wrong; the field is a path such as ``match.app.1``, or empty."""
    faults: list[tuple[str, str]] = []
    for each in error.errors(include_url=False):
        inconsistent = each.get("ctx", {}).get("error")
        faults += inconsistent.faults if isinstance(inconsistent, Inconsistent) else [_said(each)]
    return faults


def got(value: object) -> str:
    """A value as it was written, shortened; of what holds several only what it is."""
    if isinstance(value, Mapping):
        return "names with values"
    if isinstance(value, list):
        return "a list"
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return str(value).lower()
    text = repr(value)
    return text if len(text) <= _CUT else text[: _CUT - 3] + "..."


def _said(error: Any) -> tuple[str, str]:
    keys = error["loc"][-1:] == ("[key]",)
    places = [str(each) for each in error["loc"] if each != "[key]"]
    field, name = ".".join(places), places[-1] if places else ""
    fields = (Selection if places[:1] == ["unless"] and len(places) > 1 else TriggerRule).model_fields
    if error["type"] == "missing":
        return field, f"missing: {fields[name].description or 'needed'}"
    if error["type"] == "extra_forbidden":
        return field, "unknown: " + (did_you_mean(name, fields) or f"expected some of {', '.join(fields)}")
    if error["type"] == "value_error":
        return field, str(error["ctx"]["error"])
    if not places:
        return "", "expected a rule: names with values, which begin with id:"
    if keys:
        return field, f"expected a name of small letters, digits and underscores, such as video_pass, got {name!r}"
    return field, f"{_expected(error, name)}, got {got(error['input'])}{_meant(error)}"


def _expected(error: Any, name: str) -> str:
    """What would have been right, by the kind of pydantic's error."""
    told = _EXPECTED.get(error["type"])
    if told is not None:
        return told(error.get("ctx", {}), name)
    text = str(error["msg"])
    return text[:1].lower() + text[1:]


def _text(_limits: Any, name: str) -> str:
    if name in _EXAMPLES:
        return f"expected {_EXAMPLES[name]}"
    return f"expected text, such as {name}: 'some words'" if name.isidentifier() else "expected text, in quotes"


_EXPECTED: dict[str, Callable[[Any, str], str]] = {
    "literal_error": lambda limits, _: (
        f"expected one of {limits['expected'].replace(chr(39), '').replace(' or ', ', ')}"
    ),
    "string_type": _text,
    "string_pattern_mismatch": lambda _, name: f"expected {_EXAMPLES.get(name, 'another spelling')}",
    "string_too_short": lambda _, __: "expected some text",
    "string_too_long": lambda limits, _: f"expected at most {limits['max_length']:,} characters",
    "int_type": lambda _, name: f"expected {_EXAMPLES.get(name, 'a whole number')}",
    "int_from_float": lambda _, name: f"expected {_EXAMPLES.get(name, 'a whole number')}",
    "float_type": lambda _, __: "expected a number, such as 2.5",
    "finite_number": lambda _, __: "expected a number that is not infinite",
    "greater_than": lambda limits, _: f"expected more than {limits['gt']:g}",
    "greater_than_equal": lambda limits, _: f"expected at least {limits['ge']:,}",
    "less_than_equal": lambda limits, _: f"expected at most {limits['le']:,}",
    "datetime_parsing": lambda _, __: "expected a time of the calendar, such as 2026-01-31",
    "datetime_from_date_parsing": lambda _, __: "expected a time of the calendar, such as 2026-01-31",
    "dict_type": lambda _, name: f"expected {_EXAMPLES.get(name, 'names with values')}",
    "model_type": lambda _, name: f"expected {_EXAMPLES.get(name, 'names with values')}",
    "list_type": lambda _, __: "expected a list, such as [video, music]",
    "too_short": lambda _, __: "expected at least one value, such as [video]",
}


def _meant(error: Any) -> str:
    if error["type"] != "literal_error" or not isinstance(error["input"], str):
        return ""
    known = [each.strip(" '") for each in error["ctx"]["expected"].replace(" or ", ",").split(",")]
    meant = did_you_mean(error["input"], known)
    return f": {meant}" if meant else ""
