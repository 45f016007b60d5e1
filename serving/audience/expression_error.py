"""What is wrong with an expression, and where in its text."""

from __future__ import annotations

_SHOWN = 60


class ExpressionError(ValueError):
    """An expression can't be used; the text says where, what was got, what was expected, what to do.

    Attributes
    ----------
    text
        The expression.
    start, end
        Characters of it that are concerned, counted from 0, `end` exclusive; the same where something is missing.
    reason
        The message without the place.
    """

    def __init__(self, text: str, start: int, end: int, reason: str) -> None:
        self.text = text
        self.start = start
        self.end = end
        self.reason = reason
        place = shortened(text[start:end])
        what = f"character {start + 1}, {place}" if place else "at the end" if start >= len(text) else "at the start"
        super().__init__(f"{what}: {reason}")

    def pointed(self) -> str:
        """The line of the text that is concerned, marks below the place, then the reason."""
        begin = self.text.rfind("\n", 0, self.start) + 1
        line, _, _ = self.text[begin:].partition("\n")
        first = self.start - begin
        marks = "^" * max(1, min(self.end, begin + len(line)) - self.start)
        return f"{line}\n{' ' * first}{marks}\n{self.reason}"


class Refused(ValueError):
    """A piece of an expression has no meaning; the text is the reason. Whoever reads the expression adds the place."""


def shortened(text: str) -> str:
    """A piece of an expression as messages quote it."""
    return text if len(text) <= _SHOWN else text[: _SHOWN - 3] + "..."
