"""Whether a person is in an audience: each condition at its border, the laws, and what time alone does."""

from __future__ import annotations

import pytest
from audience_trees import ATOMS, DAY_MS, EVIDENCE, POSITIVE_TREES, RULES, T0_MS, TREES, Evidence, profile_of
from hypothesis import given, settings
from hypothesis import strategies as st

from livetags.profile_tags import tags_at
from schemas.state import GroupState, Profile
from serving.audience.membership import PersonTags, holds, in_audience, person_tags
from serving.audience.tree import (
    Above,
    Every,
    MeanAbove,
    Node,
    Outside,
    Seen,
    ShareAbove,
    Some,
    Top,
    TopsDiffer,
)
from serving.tag_view import TagView

often = settings(max_examples=300, deadline=None)
later = st.integers(0, 400 * DAY_MS)


def tag(name: str, weight: float, mean: float | None = None, last_ms: int = T0_MS) -> TagView:
    return TagView(name, weight, mean, None if mean is None else 0.0, last_ms, 7 * DAY_MS)


def person(*tags: TagView, others: dict[str, float] | None = None) -> PersonTags:
    return person_tags(T0_MS, tags, others or {}, weight_floor=0.01)


NOBODY = person()


@pytest.mark.parametrize(
    ("node", "inside", "outside"),
    [
        (Above("app", "a", 2.0), person(tag("app:a", 2.0)), person(tag("app:a", 1.9999), tag("app:b", 5.0))),
        (MeanAbove("bill", "all", 80.0), person(tag("bill:all", 0.5, 80.0)), person(tag("bill:all", 9.0, 79.9))),
        (MeanAbove("bill", "all", -1.0), person(tag("bill:all", 0.5, 0.0)), person(tag("bill:all", 0.001, 0.0))),
        (MeanAbove("app", "a", 1.0), person(tag("app:a", 1.0, 1.0)), person(tag("app:a", 9.0))),
        (
            ShareAbove("app", "a", 0.5),
            person(tag("app:a", 1.0), tag("app:b", 1.0)),
            person(tag("app:a", 1.0), tag("app:b", 1.0), others={"app": 0.1}),
        ),
        (
            ShareAbove("app", "a", 0.8),
            person(tag("app:a", 0.02)),
            person(tag("app:a", 0.02), tag("app:b", 0.009)),  # too light to count, but of the group's weight
        ),
        (
            Top("home", "x"),
            person(tag("home:x", 2.0), tag("home:y", 1.0)),
            person(tag("home:x", 1.0), tag("home:y", 2.0)),
        ),
        (
            Top("home", "x"),
            person(tag("home:y", 2.0), tag("home:x", 2.0)),
            person(tag("home:w", 2.0), tag("home:x", 2.0)),  # of equal ones the first by name
        ),
        (Top("home", "x"), person(tag("home:x", 0.01)), person(tag("home:x", 0.0099))),
        (
            TopsDiffer("home", "work"),
            person(tag("home:x", 1.0), tag("work:y", 1.0)),
            person(tag("home:x", 1.0), tag("work:x", 1.0)),
        ),
        (
            TopsDiffer("home", "work"),
            person(tag("home:x", 1.0), tag("work:y", 1.0)),
            person(tag("home:x", 1.0), tag("work:y", 0.001)),
        ),
        (
            Seen("app", "a", 100),
            person(tag("app:a", 1.0, last_ms=T0_MS - 100)),
            person(tag("app:a", 1.0, last_ms=T0_MS - 101)),
        ),
        (Seen("app", "a", 100), person(tag("app:a", 1.0)), person(tag("app:a", 1.0, last_ms=T0_MS + 1))),
        (Seen("app", "a", 100), person(tag("app:a", 0.01)), person(tag("app:a", 0.0099))),
    ],
)
def test_at_the_border(node: Node, inside: PersonTags, outside: PersonTags) -> None:
    assert holds(node, inside)
    assert not holds(node, outside)
    assert not holds(node, NOBODY)
    assert holds(Outside(node), outside)
    assert holds(Outside(node), NOBODY)
    assert in_audience(node, inside)
    assert not in_audience(node, outside)


def test_who_has_faded_altogether_is_in_no_audience() -> None:
    nobody_there = Outside(Above("app", "a", 2.0))
    assert in_audience(nobody_there, person(tag("app:a", 0.01)))
    assert not in_audience(nobody_there, person(tag("app:a", 0.0099)))
    assert not in_audience(nobody_there, NOBODY)


@often
@given(TREES, TREES, EVIDENCE, later)
def test_de_morgan(one: Node, two: Node, evidence: list[Evidence], later_ms: int) -> None:
    who = tags_at(profile_of(evidence), RULES, T0_MS + later_ms)
    assert holds(Outside(Every((one, two))), who) == holds(Some((Outside(one), Outside(two))), who)
    assert holds(Outside(Some((one, two))), who) == holds(Every((Outside(one), Outside(two))), who)
    assert holds(Outside(Outside(one)), who) == holds(one, who)
    assert holds(Some((one, Outside(one))), who)
    assert not holds(Every((one, Outside(one))), who)


@often
@given(POSITIVE_TREES, EVIDENCE, later, later)
def test_time_alone_takes_out_and_never_in(tree: Node, evidence: list[Evidence], later_ms: int, more_ms: int) -> None:
    """Of any tree without a negation. A share may move by a rounding error: see the next test for what is exact."""
    profile = profile_of(evidence)
    soon, late = (tags_at(profile, RULES, T0_MS + each) for each in (later_ms, later_ms + more_ms))
    if holds(tree, late) and not holds(tree, soon):
        assert _has_share(tree)
        assert holds(_looser(tree), soon)


@often
@given(EVIDENCE, st.data(), later, later)
def test_decay_lets_nobody_into_a_level(
    evidence: list[Evidence], data: st.DataObject, one_ms: int, two_ms: int
) -> None:
    """Also where the level is exactly the weight at some instant."""
    profile = profile_of(evidence)
    soon, late = (tags_at(profile, RULES, T0_MS + each) for each in (one_ms, one_ms + two_ms))
    weights = [(group, name, view.weight) for group, tags in soon.groups.items() for name, view in tags.items()]
    for group, name, weight in weights:
        factor = data.draw(st.sampled_from([1.0, 0.5, 0.9]))
        level = max(weight * factor, RULES.weight_floor)
        assert holds(Above(group, name, level), soon) or weight < level
        if not holds(Above(group, name, level), soon):
            assert not holds(Above(group, name, level), late)


@often
@given(ATOMS, EVIDENCE)
def test_everybody_leaves_in_the_end(atom: Node, evidence: list[Evidence]) -> None:
    if getattr(atom, "group", "") in ("plan", "segment"):
        return  # facts do not fade
    assert not holds(atom, tags_at(profile_of(evidence), RULES, T0_MS + 30_000 * DAY_MS))


def test_what_the_state_holds_is_read_as_it_is() -> None:
    half_life_ms = RULES.groups["app"].half_life_ms
    landmark = T0_MS // half_life_ms
    profile = Profile(
        n=3,
        last_event_ms=T0_MS,
        groups={
            "app": GroupState(landmark, half_life_ms, {"a": [4.0, float(T0_MS)]}, [4.0, float(T0_MS)]),
            "bill": GroupState(0, RULES.groups["bill"].half_life_ms, {"all": [2.0, 80.0, 8.0, 5.0]}),
        },
    )
    at_ms = (landmark + 1) * half_life_ms
    who = tags_at(profile, RULES, at_ms)
    assert who.groups["app"]["a"] == TagView("app:a", 2.0, None, None, T0_MS, half_life_ms)
    assert who.others == {"app": 2.0}
    bill = who.groups["bill"]["all"]
    assert (bill.mean, bill.std, bill.last_evidence_ms) == (80.0, 2.0, 5)
    assert holds(ShareAbove("app", "a", 0.5), who)


def test_the_state_can_not_tell_of_its_past() -> None:
    with pytest.raises(ValueError, match="has evidence of 1 ms after the instant asked for: expected a later instant"):
        tags_at(profile_of([]), RULES, T0_MS - 1)


def _has_share(node: Node) -> bool:
    return isinstance(node, ShareAbove) or any(_has_share(each) for each in getattr(node, "of", ()))


def _looser(node: Node) -> Node:
    if isinstance(node, Every | Some):
        return type(node)(tuple(_looser(each) for each in node.of))
    if isinstance(node, ShareAbove):
        return ShareAbove(node.group, node.name, node.share * (1.0 - 1e-12))
    return node
