"""The mistakes that people make in rule files, and what `livetags rules check` says: line, what is there, what to do.

Texts are compared whole: they are what the user reads.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from livetags.checked_rules import RulesRefused, checked_rules
from schemas.settings import Settings

RULE = """\
id: video-fan
version: 1
owner: growth
purpose: marketing
scene: watches video
shape: pulse
on: app_use
"""
PURPOSES = "service, security, marketing, profiling, location_services, social_analysis, credit_risk, panel"
KINDS = "app_use, presence, call, traffic, recharge, bill, registration, order, contact, drift, tags"
WORDS = (
    "app, category, flow_mb, home_district, home_province, host, keyword, local_hour, surge, window_mb, work_district, "
    "workday"
)


def said(tmp_path: Path, text: str) -> list[str]:
    file = tmp_path / "r.yaml"
    file.write_text(text)
    with pytest.raises(RulesRefused) as refused:
        checked_rules([file], Settings(data_dir=tmp_path / "data"))
    return [str(fault).removeprefix(f"{file}:") for fault in refused.value.faults]


@pytest.mark.parametrize(
    ("was", "now", "expected"),
    [
        ("purpose: marketing\n", "", "1: purpose: missing: what the person must have consented to"),
        (
            "marketing",
            "markting",
            f"4: purpose: expected one of {PURPOSES}, got 'markting': did you mean marketing?",
        ),
        ("app_use", "appuse", f"7: on: expected one of {KINDS}, got 'appuse': did you mean app_use?"),
        (
            "pulse",
            "Pulse",
            "6: shape: expected one of pulse, level, fade, absence, count, got 'Pulse': did you mean pulse?",
        ),
        ("version: 1", 'version: "1"', "2: version: expected a number, got '1': write it without quotes"),
        (
            "video-fan",
            "Video Fan",
            "1: id: expected small letters, digits and dashes, a letter first, 64 at most, such as video-fan, "
            "got 'Video Fan'",
        ),
        ("+", "cool_down: 3h\n", "8: cool_down: unknown: did you mean cooldown?"),
        (
            "+",
            "cooldown: 3\n",
            "8: cooldown: expected a duration such as 90s, 20m, 3h or 7d, got 3: "
            "put a unit behind it, such as 3s or 3m",
        ),
        ("+", "match:\n  category: video\n", "9: match.category: expected a list, such as [video, music], got 'video'"),
        (
            "+",
            "match:\n  categry: [video]\n",
            "9: match.categry: expected one of app, category, host, keyword for app_use, got categry: "
            "did you mean category?",
        ),
        ("+", "when: flow > 1.0\n", f"8: when: unknown flow: did you mean flow_mb? a rule on app_use knows {WORDS}"),
        ("+", "when: app = 'x'\n", "8: when: can't be read at \"= 'x'\": expected == to compare"),
        (
            "+",
            "when: flow_mb > 1.0 and workday\n",
            "8: when: can't be read at 'and workday': expected && instead of and",
        ),
        (
            "+",
            "when: flow_mb * 2 > 1.0\n",
            "8: when: got float * int: expected numbers with a point, such as 2.0 for 2, as the words are",
        ),
        ("+", "tags:\n  video: contents:video\n", "9: tags.video: unknown tag group 'contents': did you mean content?"),
        ("+", "hold: 15m\n", "8: hold: only of shape level, got pulse"),
        ("pulse", "count", "1: within: shape count needs it, such as within: 7d"),
        (
            "+",
            "valid_from: 31.1.2026\n",
            "8: valid_from: expected a time such as 2026-01-31 or 2026-01-31T09:00:00+08:00, got '31.1.2026'",
        ),
        (
            "+",
            "\tcooldown: 3h\n",
            "8: not YAML: expected spaces at the beginning of the line, not a tab (found a tab "
            "character that violates indentation)",
        ),
        (
            "watches video",
            "video: at night",
            "5: not YAML: expected one `name: value` a line; text that has a colon goes in quotes "
            "(mapping values are not allowed in this context)",
        ),
        (
            "+",
            "when: !workday\n",
            "8: when: expected text, a number, true or false, got the tag !workday: "
            "text that begins with ! goes in quotes",
        ),
        ("version: 1", "version:1", "3: not YAML: expected `name: value`, with a colon and a space"),
    ],
)
def test_a_mistake_is_said_as_people_need_it(tmp_path: Path, was: str, now: str, expected: str) -> None:
    text = RULE + now if was == "+" else RULE.replace(was, now)
    assert said(tmp_path, text) == [expected]


def test_all_mistakes_of_a_rule_are_said_at_once(tmp_path: Path) -> None:
    text = RULE.replace("marketing", "markting").replace("pulse", "circle").replace("version: 1", "version: x")
    text += "when: flow > 1.0\ncooldown: 3 hours\nmatch: {categry: [x]}\ncolour: red\n"
    assert [each.split(": ")[:2] for each in said(tmp_path, text)] == [
        ["2", "version"],
        ["4", "purpose"],
        ["6", "shape"],
        ["8", "when"],
        ["9", "cooldown"],
        ["10", "match.categry"],
        ["11", "colour"],
    ]


@pytest.mark.parametrize(
    ("extra", "fields"),
    [
        # what goes together is said beside what is wrong by itself
        ("purpose: fun\nshape: count\n", ["purpose", "within"]),
        (
            "purpose: fun\nshape: level\ntimes: 3\nwhen: apps == 'x'\nuntil: flow\n",
            ["purpose", "times", "when", "until"],
        ),
        # several in one rule that reads well
        ("shape: level\nwhen: apps == 'x'\nuntil: flow > 1.0\n", ["when", "until"]),
        (
            "shape: pulse\ntags: {a: nothing, b: content:vidio}\nwhen: a > 1.0 && c > 1.0\n",
            ["tags.a", "tags.b", "when"],
        ),
        (
            "shape: absence\nwithin: 1h\nwhen: x\nunless: {on: order, match: {x: [y]}, when: z}\n",
            ["when", "unless.match.x", "unless.when"],
        ),
        # what can't be told is not said: which words there are, as long as `on` is wrong
        ("shape: pulse\non: weather\nwhen: x > 1.0\n", ["on"]),
        ("shape: fade\ntags: 3\nabove: 1\n", ["on", "below", "tags"]),
    ],
)
def test_what_is_wrong_hides_nothing_else(tmp_path: Path, extra: str, fields: list[str]) -> None:
    base = {"id": "a", "version": "1", "owner": "o", "purpose": "marketing", "scene": "s", "on": "app_use"}
    given = [line.partition(":")[0] for line in extra.splitlines()]
    text = "".join(f"{name}: {value}\n" for name, value in base.items() if name not in given) + extra
    found = [each.split(": ")[1] for each in said(tmp_path, text)]
    assert sorted(found) == sorted(fields)
