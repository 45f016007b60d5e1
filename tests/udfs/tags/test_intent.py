from __future__ import annotations

import pytest

from schemas.events import AppUse
from tests.udfs.tags.person_story import KEYWORDS, Person, at
from udfs.tags import intent
from udfs.tags.intent import intent_of


@pytest.mark.parametrize(
    ("app", "category", "host", "keyword", "found"),
    [
        ("Seeker", "tools", "", "朝阳 二手房 价格", [("home_purchase", 1.0)]),
        ("Seeker", "tools", "", "全屋定制 哪家好", [("renovation", 1.0)]),
        ("Seeker", "tools", "", "全屋定制 预算10万", [("renovation", 1.0), ("renovation_budget", 1.0)]),
        ("Seeker", "tools", "", "LINGCHI 试驾", [("car_lingchi", 1.0)]),
        ("Seeker", "tools", "", "天气预报", []),
        ("安家屋", "property", "anjiawu.example", "", [("property", 0.2)]),
        ("安家屋", "property", "anjiawu.example", "天气预报", [("property", 0.2)]),
        ("凌驰官网", "cars", "www.Lingchi.example", "", [("car_lingchi", 0.2)]),
        ("车评台", "cars", "", "", [("cars", 0.2)]),
        ("抖音", "video", "lingchi.example", "", []),
    ],
)
def test_searches_and_visits(app: str, category: str, host: str, keyword: str, found: list[tuple[str, float]]) -> None:
    event = AppUse("u", 1, at(), app, category, 0, 0, host, keyword)
    assert Person(intent).lives(event) == [("intent", tag, value) for tag, value in found]


def test_the_longest_word_counts() -> None:
    assert intent_of("二手房 全屋定制", KEYWORDS) == "renovation"
    assert intent_of("", KEYWORDS) == ""
    assert intent_of("二手房", ()) == ""
