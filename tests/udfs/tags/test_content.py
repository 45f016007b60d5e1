from __future__ import annotations

import pytest

from schemas.events import AppUse
from tests.udfs.tags.person_story import Person, at
from udfs.tags import content


@pytest.mark.parametrize(("category", "tag"), [("video", "video"), ("", "other")])
def test_a_flow_is_a_use_of_the_app_and_of_its_category(category: str, tag: str) -> None:
    assert Person(content).lives(AppUse("u", 1, at(), "抖音", category, 500_000, 2_000_000)) == [
        ("app", "抖音", 1.0),
        ("content", tag, 1.0),
        ("flow_mb", "all", 2.5),
    ]
