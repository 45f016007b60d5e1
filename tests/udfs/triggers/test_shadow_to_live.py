"""A rule goes from shadow to live: what was under way stays in shadow, what begins after is sent. docs/triggers.md."""

from __future__ import annotations

from schemas.trigger_rule import TriggerRule
from tests.udfs.triggers.rule_story import DAY_MS, HOUR_MS, MINUTE_MS, T0_MS, Life, rule, seen, used
from udfs.triggers.evaluate import Fired


def live(shadow: TriggerRule) -> TriggerRule:
    """The next version, which sends."""
    return shadow.model_copy(update={"version": shadow.version + 1, "shadow": False})


def sent(fired: list[Fired]) -> list[bool]:
    return [not each.compiled.rule.shadow for each in fired]


def stay(**fields: object) -> TriggerRule:
    return rule("level", "presence", match={"district_kind": ["mall"]}, hold="30m", shadow=True, **fields)


def test_a_stay_under_way_ends_in_shadow_and_the_next_is_sent() -> None:
    life = Life(stay())
    life.see(seen(T0_MS, "mall"))
    life.publish(live(stay()), older=[stay()])
    assert sent(life.wait(T0_MS + HOUR_MS)) == [False]
    life.see(seen(T0_MS + 2 * HOUR_MS))
    life.see(seen(T0_MS + 3 * HOUR_MS, "mall"))
    assert sent(life.wait(T0_MS + 4 * HOUR_MS)) == [True]


def test_what_fired_in_shadow_silences_the_live_version_for_its_cool_down() -> None:
    shadow = rule("pulse", "app_use", cooldown="1h", shadow=True)
    life = Life(shadow)
    assert sent(life.see(used(T0_MS))) == [False]
    life.publish(live(shadow), older=[shadow])
    assert life.see(used(T0_MS + 59 * MINUTE_MS)) == []
    assert sent(life.see(used(T0_MS + 60 * MINUTE_MS))) == [True]


def test_and_for_its_period() -> None:
    shadow = rule("pulse", "app_use", once_per="day", shadow=True)
    life = Life(shadow)
    life.see(used(T0_MS))
    life.publish(live(shadow), older=[shadow])
    assert life.see(used(T0_MS + HOUR_MS)) == []
    assert sent(life.see(used(T0_MS + DAY_MS))) == [True]


def test_what_was_counted_in_shadow_counts() -> None:
    shadow = rule("count", "app_use", times=3, within="1h", shadow=True)
    life = Life(shadow)
    life.see(used(T0_MS), used(T0_MS + MINUTE_MS))
    life.publish(live(shadow), older=[shadow])
    assert sent(life.see(used(T0_MS + 2 * MINUTE_MS))) == [True]


def test_under_another_id_it_begins_from_nothing() -> None:
    """Published as another rule, with the one in shadow withdrawn: no silence, and the stay counts from now on."""
    life = Life(stay(cooldown="1d"))
    life.see(seen(T0_MS, "mall"))
    assert sent(life.wait(T0_MS + 30 * MINUTE_MS)) == [False]
    life.publish(stay(cooldown="1d").model_copy(update={"id": "other", "shadow": False}))
    assert life.see(seen(T0_MS + 40 * MINUTE_MS, "mall")) == []
    fired = life.wait(T0_MS + 3 * HOUR_MS)
    assert [(each.compiled.rule.id, each.at_ms) for each in fired] == [("other", T0_MS + 70 * MINUTE_MS)]
    assert sent(fired) == [True]
