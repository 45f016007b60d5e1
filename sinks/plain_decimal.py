"""Numbers as readers in any language expect them: plain decimals, no exponent."""

from __future__ import annotations

from decimal import Decimal


def plain_decimal(value: float) -> str:
    """Shortest decimal that reads back as the same double, without an exponent."""
    text = repr(value)
    return format(Decimal(text), "f") if "e" in text else text
