"""The known name that was perhaps meant by one that isn't."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


def did_you_mean(got: str, known: Iterable[str]) -> str:
    """A question such as ``did you mean video?``; empty if no known name is near."""
    near = get_close_matches(got, list(known), n=1)
    return f"did you mean {near[0]}?" if near else ""
