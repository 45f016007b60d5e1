from __future__ import annotations

import pytest

from schemas.events import Contact
from tests.udfs.tags.person_story import Person, at
from udfs.tags import response


@pytest.mark.parametrize(
    ("result", "offer", "found"),
    [
        ("sent", "o1", [("fatigue", "all", 1.0)]),
        ("delivered", "o1", []),
        ("opened", "o1", [("channel", "sms", 1.0)]),
        ("clicked", "o1", [("channel", "sms", 2.0)]),
        ("converted", "o1", [("channel", "sms", 4.0), ("offer", "o1", 1.0)]),
        ("refused", "o1", [("refused", "sms", 1.0)]),
        ("unsubscribed", "", [("refused", "sms", 3.0)]),
    ],
)
def test_each_result(result: str, offer: str, found: list[tuple[str, str, float]]) -> None:
    assert Person(response).lives(Contact("u", 1, at(), "sms", result, offer, "c")) == found
