"""Expressions: what each form means, that what is wrong is said with its place, and that garbage does no harm."""

from __future__ import annotations

import time
from math import inf, nextafter

import pytest
from audience_trees import PLAIN, RULES, TREES, VOCABULARY
from hypothesis import example, given, settings
from hypothesis import strategies as st

from schemas.dictionaries import Dictionaries, District
from schemas.rules import Rules
from schemas.tag_group import TagGroup
from serving.audience.canonical import canonical, normal
from serving.audience.expression import parse
from serving.audience.expression_error import ExpressionError
from serving.audience.grammar import MAX_CHARS, MAX_NESTING
from serving.audience.meaning import MAX_CONDITIONS
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
from serving.audience.vocabulary import Vocabulary
from udfs.tags import GROUPS

FLOOR = RULES.weight_floor
DAY_MS = 86_400_000


def after(level: float) -> float:
    return nextafter(level, inf)


@pytest.mark.parametrize(
    ("text", "tree"),
    [
        # the heaviest tag of a group
        ("home = 'A3'", Top("home", "A3")),
        ("home == 'A3'", Top("home", "A3")),
        ("'A3' = home", Top("home", "A3")),
        ("home != 'A3'", Outside(Top("home", "A3"))),
        ("home <> 'A3'", Outside(Top("home", "A3"))),
        ("home = 'O''Hare'", Top("home", "O'Hare")),
        ("plan in ('plus', 'basic', 'plus')", Some((Top("plan", "basic"), Top("plan", "plus")))),
        ("plan in ('plus')", Top("plan", "plus")),
        ("plan not in ('plus', 'basic')", Every((Outside(Top("plan", "basic")), Outside(Top("plan", "plus"))))),
        ("home != work", TopsDiffer("home", "work")),
        ("work != home", TopsDiffer("home", "work")),
        ("channel != refused", TopsDiffer("channel", "refused")),
        ("either(home, work) = 'A3'", Some((Top("home", "A3"), Top("work", "A3")))),
        ("either(home, work) != 'A3'", Every((Outside(Top("home", "A3")), Outside(Top("work", "A3"))))),
        # facts with an order
        ("segment >= 'high'", Some((Top("segment", "high"), Top("segment", "premium")))),
        ("segment > 'high'", Top("segment", "premium")),
        ("segment < 'mid'", Top("segment", "low")),
        ("segment <= 'mid'", Some((Top("segment", "low"), Top("segment", "mid")))),
        ("'mid' >= segment", Some((Top("segment", "low"), Top("segment", "mid")))),
        ("tenure < '3m-1y'", Top("tenure", "under_3m")),
        # weights
        ("app:WeChat >= 3", Above("app", "WeChat", 3.0)),
        ("app:WeChat > 3", Above("app", "WeChat", after(3.0))),
        ("app:WeChat < 3", Outside(Above("app", "WeChat", 3.0))),
        ("app:WeChat <= 3", Outside(Above("app", "WeChat", after(3.0)))),
        ("3 <= app:WeChat", Above("app", "WeChat", 3.0)),
        ('"app:WeChat" >= 3', Above("app", "WeChat", 3.0)),
        ('"app:QQ Music" >= 1.5e1', Above("app", "QQ Music", 15.0)),
        ("app:v.qq.com >= 1", Above("app", "v.qq.com", 1.0)),
        ("app:抖音 >= 1", Above("app", "抖音", 1.0)),
        ("commuter >= 5", Above("commuter", "all", 5.0)),
        ("commuter:all >= 5", Above("commuter", "all", 5.0)),
        ("bill:all >= 2", Above("bill", "all", 2.0)),
        ("gender:female >= 0.9", Above("gender", "female", 0.9)),
        ("app:WeChat > 0", Above("app", "WeChat", FLOOR)),
        ("app:WeChat <= 0", Outside(Above("app", "WeChat", FLOOR))),
        ("app:WeChat >= 0.0000000001", Above("app", "WeChat", FLOOR)),
        ("has(app:WeChat)", Above("app", "WeChat", FLOOR)),
        ("has(commuter)", Above("commuter", "all", FLOOR)),
        ("HAS(commuter)", Above("commuter", "all", FLOOR)),
        # shares
        ("share(content:property) >= 0.25", ShareAbove("content", "property", 0.25)),
        ("share(content:property) > 0.25", ShareAbove("content", "property", after(0.25))),
        ("share(content:property) < 0.25", Outside(ShareAbove("content", "property", 0.25))),
        ("share(content:property) >= 1", ShareAbove("content", "property", 1.0)),
        ("share(content:property) > 0", Above("content", "property", FLOOR)),
        # means
        ("mean(bill) >= 100", MeanAbove("bill", "all", 100.0)),
        ("mean(churn) > 0", MeanAbove("churn", "all", after(0.0))),
        ("mean(bill) >= -2.5", MeanAbove("bill", "all", -2.5)),
        ("mean(bill) >= -0", MeanAbove("bill", "all", 0.0)),
        ("mean(bill:all) < 100", Every((Above("bill", "all", FLOOR), Outside(MeanAbove("bill", "all", 100.0))))),
        # recency
        ("seen(app:WeChat) within '7 days'", Seen("app", "WeChat", 7 * DAY_MS)),
        ("seen(bill) within '36h'", Seen("bill", "all", 36 * 3_600_000)),
        ("seen(bill) within '90 min'", Seen("bill", "all", 90 * 60_000)),
        ("not seen(bill) within '2w'", Outside(Seen("bill", "all", 14 * DAY_MS))),
        # near: A3, new district and Lujiazui lie 2.2 km apart, the others 55 km away
        ("work near 'A3' within '1 km'", Top("work", "A3")),
        ("work near 'A3' within '2.5 km'", Some((Top("work", "A3"), Top("work", "new district")))),
        ("work near 'A3'", Some((Top("work", "A3"), Top("work", "Lujiazui"), Top("work", "new district")))),
        ("not work near 'A3' within '1 km'", Outside(Top("work", "A3"))),
        ("work not near 'A3' within '1 km'", Outside(Top("work", "A3"))),
        ("(work near 'A3') within '1 km'", Top("work", "A3")),
        # and, or, not
        (
            "home = 'A3' and (plan = 'plus' or plan = 'basic') and not has(commuter)",
            Every(
                (
                    Outside(Above("commuter", "all", FLOOR)),
                    Top("home", "A3"),
                    Some((Top("plan", "basic"), Top("plan", "plus"))),
                )
            ),
        ),
        ("not (home = 'A3' or has(bill))", Every((Outside(Above("bill", "all", FLOOR)), Outside(Top("home", "A3"))))),
        ("not not home = 'A3'", Top("home", "A3")),
        ("home = 'A3' AND\n\thome = 'A3'", Top("home", "A3")),
        # the operator's words
        ("works_in = 'A3'", Top("work", "A3")),
        ("property_app > 0.6", ShareAbove("content", "property", after(0.6))),
        ("commutes", Above("commuter", "all", 5.0)),
    ],
)
def test_what_a_form_means(text: str, tree: Node) -> None:
    assert parse(text, VOCABULARY) == tree


def test_the_example_that_was_asked_for() -> None:
    text = "works_in = 'A3' and home_region != work_region and property_app > 0.6 and active_area near 'new district'"
    near = ("A3", "Lujiazui", "new district")
    assert parse(text, VOCABULARY) == normal(
        Every(
            (
                Top("work", "A3"),
                TopsDiffer("home", "work"),
                ShareAbove("content", "property", after(0.6)),
                Some(tuple(Top(group, name) for group in ("home", "work") for name in near)),
            )
        )
    )


@pytest.mark.parametrize(
    ("text", "place", "reason"),
    [
        # names
        ("hme = 'A3'", "hme", "unknown hme: did you mean home?"),
        ("zzzzzz = 'A3'", "zzzzzz", "unknown zzzzzz: expected one of quantity, "),
        ("home = 'Lujiazi'", "home = 'Lujiazi", "unknown tag 'Lujiazi' of home: did you mean home:Lujiazui?"),
        ("home = 'Lujiazi'", "home = 'Lujiazi", "a new one is put into the dictionary first"),
        ("app:Wechat > 3", "app:Wechat", "did you mean app:WeChat?"),
        ("aap:WeChat > 3", "aap:WeChat", "unknown group aap of a tag: did you mean app?"),
        ("WeChat > 3", "WeChat", "WeChat is a tag of app: expected app:WeChat"),
        ('home = "A3"', '"A3"', "in single quotes: home = 'A3'"),
        ('home = "A 3"', '"A 3"', "double quotes are for tags"),
        ("segment = 'medium'", "segment = 'medium'", "unknown tag 'medium' of segment: did you mean"),
        ("app: > 3", "app:", "expected the name of a tag of app, got none"),
        ("hass(app:WeChat)", "hass(app:WeChat", "unknown function hass: did you mean has?"),
        ("xyz(app:WeChat)", "xyz(app:WeChat", "expected one of either, has, mean, seen, share"),
        # what can't be compared
        ("home", "home", "expected a condition: compare the group, as in home = '...'"),
        ("app:WeChat", "app:WeChat", "write has(app:WeChat), or compare it, as in app:WeChat > 3"),
        ("share(app:WeChat)", "share(app:WeChat", "as in share(app:WeChat) > 0.5"),
        ("mean(bill)", "mean(bill", "as in mean(bill:all) > 100"),
        ("seen(app:WeChat)", "seen(app:WeChat", "as in seen(app:WeChat) within '7 days'"),
        ("3", "3", "expected a condition: compare it with a group or a tag"),
        ("home > 3", "home > 3", "home has many tags: name one"),
        ("segment > 3", "segment > 3", "as in segment:low > 3"),
        ("bill > 3", "bill > 3", "expected mean(bill), or bill:all"),
        ("plan > 'basic'", "plan > 'basic'", "plan has no order: expected =, != or in"),
        ("segment > 'premium'", "segment > 'premium'", "nothing is > 'premium'"),
        ("home = work", "home = work", "expected != between two groups; not home != work"),
        ("home > work", "home > work", "expected home != work"),
        ("home != plan", "home != plan", "not of the same kind of tags"),
        ("home != home", "home != home", "not of the same kind of tags"),
        ("plan != occupation", "plan != occupation", "not of the same kind of tags"),
        ("either(home, work) > 3", "either(home, work) > 3", "expected one group to compare with a number"),
        ("either(home, work) != home", "either(home, work) != home", "expected one group in home != work"),
        ("either(home, 'A3') = 'A3'", "either(home, 'A3'", "either is of groups"),
        ("either(home) = 'A3'", "either(home", "expected two groups or more"),
        ("app:WeChat = 3", "app:WeChat = 3", "expected >, >=, < or <=, got ="),
        ("app:WeChat > 'much'", "app:WeChat > 'much'", "expected one, got the text 'much'"),
        ("app:WeChat > app:抖音", "app:WeChat > app:抖音", "expected one, got another tag or group"),
        ("1 < 2", "1 < 2", "expected a group or a tag on one side"),
        ("(home = 'A3') = 'A3'", "home = 'A3'", "got a condition"),
        ("has(has(bill))", "has(bill", "got a condition"),
        ("home = 'A3' = 'B'", "home = 'A3'", "got a condition"),
        # numbers
        ("app:WeChat >= 0", "app:WeChat >= 0", "whether there is the tag at all is has(app:WeChat)"),
        ("app:WeChat > -1", "app:WeChat > -1", "never below 0"),
        ("share(app:WeChat) > 60", "share(app:WeChat) > 60", "60 % is 0.6"),
        ("share(app:WeChat) > 1", "share(app:WeChat) > 1", "a share is from 0 to 1"),
        ("share(bill) > 0.5", "share(bill", "bill has one tag at a time"),
        ("share(plan:plus) > 0.5", "share(plan:plus", "expected has(plan:plus)"),
        ("mean(app:WeChat) > 5", "mean(app:WeChat", "app has no mean, only a weight: expected one of line_spend, "),
        ("mean(bill) > 1e999", "1e999", "expected a number such as 3"),
        ("mean(bill) > -1e999", "1e999", "expected a number such as 3"),
        ("mean(bill) > 3e", "3e", "expected a number such as 3"),
        ("mean(bill) > 1.7976931348623157e308", "mean(bill", "expected a smaller number"),
        ("has(app)", "has(app", "app has many tags: name one"),
        ("has('app:WeChat')", "has('app:WeChat'", "expected has(app:WeChat)"),
        ("has(app:WeChat, 3)", "has(app:WeChat, 3", "has is of one tag, got 2"),
        ("has()", "", "has is of one tag, got 0"),
        # time and place
        ("seen(app:WeChat) within 7", "7", "expected a time such as '7 days'"),
        ("seen(app:WeChat) within '7 moons'", "seen(app:WeChat) within '7 moons'", "expected a time such as"),
        ("seen(app:WeChat) within '0 days'", "seen(app:WeChat) within '0 days'", "above 0"),
        ("seen(app:WeChat) within '99999 days'", "seen(app:WeChat) within '99999 days'", "at most 3,660 days"),
        ("seen(app:WeChat) > 7", "seen(app:WeChat) > 7", "within '7 days'"),
        ("home within '7 days'", "home within '7 days'", "expected seen(app:WeChat) within '7 days'"),
        ("home near 'Nowhere'", "home near 'Nowhere'", "unknown tag 'Nowhere' of home"),
        ("region near 'A3'", "region near 'A3'", "region is not by business district: expected one of home, work"),
        ("home near 3", "home near 3", "expected a group of places and a district"),
        ("home near 'A3' within '5 miles'", "home near 'A3' within '5 miles'", "expected a distance such as '5 km'"),
        ("home in ('A3', 4)", "home in ('A3', 4", "expected a group and names in brackets"),
        ("home in ()", "home", "expected a group and names in brackets"),
        ("app:WeChat in ('A3')", "app:WeChat in ('A3'", "expected a group and names in brackets"),
        # grammar
        ("", "", "an empty expression"),
        ("  \n ", "", "an empty expression"),
        ("home = 'A3", "'A3", "the ' is not closed"),
        ("home = 'A3' and 'x\" = 3", "'x\" = 3", "the ' is not closed"),
        ("(home = 'A3'", "'A3'", "expected )"),
        ("home = 'A3')", ")", "unexpected here"),
        ("home = 'A3' plan = 'plus'", "plan", "unexpected here"),
        ("home = 'A3' and", "and", "something is missing"),
        ("and", "and", "something is missing"),
        ("home ! 'A3'", "!", "expected !="),
        ("app['WeChat'] > 3", "app['WeChat'", "a tag is named group:name, as in app:WeChat"),
        ("app:e-commerce > 3", "app:e-commerce", "stands in quotes"),
        ("product:e-pass > 3", "product:e-pass", "stands in quotes"),
        ("-home > 3", "home", "expected a number after -"),
        ("home = ‘A3’", "‘", "got ‘, expected ': type it as plain ASCII"),
        ("home ＝ 'A3'", "＝", "got ＝, expected ="),
        ("(home = 'A3'， 'B')", "，", "got ，, expected ,"),
        ("home = 'A3' -- comment", "'A3' -- comment", "no calculations here"),
        ("select 1", "1", "unexpected here"),
        ("home = 'A3'; drop table x", ";", "unexpected here"),
        ("home = (select 1)", "1", "expected )"),
        ("true", "true", "unknown true"),
        ("home is not null", "is", "unexpected here"),
        ("home like 'A%'", "like", "unexpected here"),
        ("case when home = 'A3' then 1 end", "when", "unexpected here"),
    ],
)
def test_what_is_wrong_is_said_with_its_place(text: str, place: str, reason: str) -> None:
    with pytest.raises(ExpressionError) as refused:
        parse(text, VOCABULARY)
    error = refused.value
    assert reason in error.reason
    assert text[error.start : error.end].startswith(place)
    assert error.text == text
    assert error.reason in str(error)


def test_the_place_is_pointed_at() -> None:
    with pytest.raises(ExpressionError) as refused:
        parse("home = 'A3' and\n  hme = 'A3'", VOCABULARY)
    assert refused.value.pointed() == "  hme = 'A3'\n  ^^^\nunknown hme: did you mean home?"
    assert str(refused.value) == "character 19, hme: unknown hme: did you mean home?"


def test_without_districts_there_is_no_near() -> None:
    vocabulary = Vocabulary(GROUPS, Rules(RULES.groups))
    with pytest.raises(ExpressionError, match="no districts are known: publish a dictionary with `livetags dict"):
        parse("home near 'A3'", vocabulary)
    assert parse("home = 'anything'", vocabulary) == Top("home", "anything")  # no dictionary, no check


def test_too_many_districts_are_refused() -> None:
    districts = {f"D{number}": District("business", "", 31.0, 121.0) for number in range(MAX_CONDITIONS + 1)}
    vocabulary = Vocabulary(GROUPS, Rules(RULES.groups, dictionaries=Dictionaries(districts=districts)))
    with pytest.raises(ExpressionError, match="201 districts are so near, expected at most 200: go less far"):
        parse("home near 'D1'", vocabulary)


def test_too_much_is_refused() -> None:
    many = " or ".join(f"app:WeChat > {level}" for level in range(1, MAX_CONDITIONS + 1))
    assert isinstance(parse(many, VOCABULARY), Some)
    with pytest.raises(ExpressionError, match="more than 200 conditions"):
        parse(f"{many} or has(bill)", VOCABULARY)
    with pytest.raises(ExpressionError, match="expected at most 8,000: use fewer conditions"):
        parse(" " * (MAX_CHARS + 1), VOCABULARY)
    # as long written out as it may not be, though it is not
    names = " or ".join(f"plan = '{number:0200}'" for number in range(36))
    assert len(names) <= MAX_CHARS
    assert parse(names, VOCABULARY)
    either = f"either(plan, offer) in ({', '.join(repr(f'{number:0200}') for number in range(30))})"
    with pytest.raises(ExpressionError, match="written out it has 12,"):
        parse(either, VOCABULARY)


@pytest.mark.parametrize("opening", ["(", "not ", "not (", "(not "])
def test_deep_nesting_is_refused_and_shallow_is_not(opening: str) -> None:
    def nested(times: int) -> str:
        return opening * times + "home = 'A3'" + ")" * (opening.count("(") * times)

    deep = len(opening.replace(" ", "").replace("not", "n"))
    assert parse(nested(MAX_NESTING // deep), VOCABULARY) in (Top("home", "A3"), Outside(Top("home", "A3")))
    with pytest.raises(ExpressionError, match="nested more than 20 deep: write it flatter"):
        parse(nested(MAX_NESTING // deep + 1), VOCABULARY)
    with pytest.raises(ExpressionError, match="nested more than 20 deep"):
        parse(nested(1_000), VOCABULARY)


def test_a_tree_deeper_than_its_text_could_be_is_refused() -> None:
    """By words, which add their own depth: what comes out must be readable again."""

    def deep(times: int, last: str) -> str:
        text = last
        for number in range(times):
            text = f"(plan = 'p{number}' {'and' if number % 2 else 'or'} {text})"
        return text

    vocabulary = Vocabulary(GROUPS, RULES, {"deep": deep(10, "not seen(bill) within '7d'")})
    tree = parse(deep(9, "deep"), vocabulary)
    assert parse(canonical(tree), vocabulary) == tree
    with pytest.raises(ExpressionError, match="is 21 deep, expected at most 8,000 characters and 20 deep"):
        parse(deep(10, "deep"), vocabulary)


GARBAGE = st.text(max_size=60) | st.lists(
    st.sampled_from(
        [
            "home", "work", "app:WeChat", '"app:QQ Music"', "plan", "bill", "works_in", "commutes", "'A3'", "'7 days'",
            "'5 km'", "3", "0.5", "-", "1e9", "(", ")", "[", "]", ",", "=", "!=", ">", ">=", "<", "<=", "and", "or",
            "not", "in", "near", "within", "has", "has(", "share(", "mean(", "seen(", "either(", "'", '"', "!", "over",
            "at", "time", "zone", "ignore", "nulls", "order", "by", "limit", "having", "max", "distinct", "null", "is",
            "between", "like", "escape", "interval", "cast", "::", ".", ";", "--", "/*", "*/", "{", "}", "@", "$1", "?",
        ]
    ),
    max_size=40,
).map(" ".join)  # fmt: skip


@settings(max_examples=600, deadline=None)
@given(GARBAGE)
@example("has(" * 19 + "app:WeChat" + ")" * 19)
@example("a" * 8_000)
@example("'" * 8_000)
@example("- " * 4_000)
@example("home = 'A3' and " * 450)
@example("either(" * 20)
@example("\x00\ud800")
@example("home = '\ud800'")
@example("0x1F > home")
@example("1_000 > app:WeChat")
@example("N'A3' = home")
@example("home = 'A3'" + " = 'A3'" * 800)
@example("commuter" + " >= 5" * 1_500)
@example("home" + " near 'A3'" * 700)
@example("home" + " not near 'A3'" * 500)
@example("seen(bill)" + " within '7d'" * 600)
@example("home" + " in ('A3')" * 700)
@example("home" + " not in ('A3')" * 500)
@example("home = 'A3' and plan = 'plus' or " * 240 + "has(bill)")
def test_garbage_is_refused_or_means_something(text: str) -> None:
    began = time.perf_counter()
    try:
        tree = parse(text, VOCABULARY)
        refused = None
    except ExpressionError as error:
        refused = error
    assert time.perf_counter() - began < 2.0
    if refused is None:
        assert parse(canonical(tree), VOCABULARY) == tree
    else:
        assert 0 <= refused.start <= refused.end <= len(text)
        assert refused.pointed().endswith(refused.reason)


@settings(max_examples=300, deadline=None)
@given(TREES)
def test_what_is_written_reads_back_as_the_same(tree: Node) -> None:
    text = canonical(tree)
    assert parse(text, PLAIN) == normal(tree)
    assert canonical(parse(text, PLAIN)) == text


@settings(max_examples=300, deadline=None)
@given(
    st.sampled_from([name for name, group in GROUPS.items() if group.more_tags == "any"]),
    st.text(st.characters(codec="utf-8"), min_size=1, max_size=30),
)
def test_any_name_can_be_written(group: str, name: str) -> None:
    tree = Every((Above(group, name, 2.0), Top(group, name)))
    assert parse(canonical(tree), PLAIN) == normal(tree)


def test_every_group_of_the_catalogue_can_be_asked_for() -> None:
    for group in GROUPS.values():
        name = _a_tag(group)
        assert parse(f'has("{group.name}:{name}")', VOCABULARY) == Above(group.name, name, FLOOR)
        assert parse(f"{group.name} = '{name}'", VOCABULARY) == Top(group.name, name)
        if group.ordered:
            assert group.kind == "fact"
            assert parse(f"{group.name} >= '{group.tags[-1]}'", VOCABULARY) == Top(group.name, group.tags[-1])


def _a_tag(group: TagGroup) -> str:
    listed = {"apps": "WeChat", "districts": "A3", "provinces": "上海", "regions": "anything", "any": "anything"}
    return group.tags[0] if group.tags else listed[group.more_tags]
