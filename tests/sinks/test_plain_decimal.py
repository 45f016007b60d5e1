"""Plain decimals: the same double back, and nothing a simple reader could stumble over."""

from __future__ import annotations

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from sinks.plain_decimal import plain_decimals

finite = st.floats(allow_nan=False, allow_infinity=False)


@given(st.lists(finite, max_size=20))
@example([5e-324, -5e-324, 1.7976931348623157e308, 1e16, 1e-7, 0.1, -0.0, 1.0, 123456789012345680.0])
def test_every_double_comes_back_and_none_has_an_exponent(values: list[float]) -> None:
    texts = plain_decimals(values)
    assert [float(text).hex() for text in texts] == [value.hex() for value in values]
    assert all(re.fullmatch(rb"-?\d+(\.\d+)?", text) for text in texts)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_what_has_no_decimal_is_an_error(value: float) -> None:
    with pytest.raises(ValueError, match="1 of 2 values are not finite"):
        plain_decimals([1.0, value])
