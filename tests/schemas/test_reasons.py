"""Reason codes: each is explained, stored under a lower-case text, and carried by `Rejected` without content."""

from __future__ import annotations

import pytest

from schemas.reasons import MEANING, Reason, Rejected


def test_every_reason_has_a_meaning_and_nothing_else_has() -> None:
    assert list(MEANING) == list(Reason)
    assert all(meaning.strip() for meaning in MEANING.values())
    assert len(set(MEANING.values())) == len(Reason)


@pytest.mark.parametrize("reason", Reason)
def test_a_reasons_text_is_its_name_in_lower_case(reason: Reason) -> None:
    assert reason.value == reason.name.lower()


def test_rejected_carries_the_reason_and_nothing_of_the_record() -> None:
    rejected = Rejected(Reason.KEY_MISMATCH)
    assert rejected.reason is Reason.KEY_MISMATCH
    assert rejected.args == ("key_mismatch",)
