from __future__ import annotations

from schemas.events import Purchase
from tests.udfs.tags.person_story import Person, at
from udfs.tags import purchases


def test_a_line_of_a_basket_is_items_and_money_of_its_category() -> None:
    assert Person(purchases).lives(Purchase("u", 1, at(), "COFFEE", 2.0, 7.5)) == [
        ("quantity", "COFFEE", 2.0),
        ("spend", "COFFEE", 7.5),
        ("line_spend", "all", 7.5),
    ]
