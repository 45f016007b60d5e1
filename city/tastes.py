"""What people like and look for: planted interests and intents, some of which begin or end in mid-period."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from city.catalogue import CATEGORIES, INTENTS
from city.rows import Bools, Floats, Ints

NEVER = -1
"""Category or intent of an unused slot."""
SHOPPING = CATEGORIES.index("shopping")
_INTERESTS = len(CATEGORIES) - 1  # nobody's interest is tools, the last one
_SLOTS = 4
# How often a category is somebody's interest, relative, in the order of the catalogue.
_APPEAL: Floats = np.array([3, 2, 2, 1.5, 1, 0.7, 0.8, 0.6, 1.2, 1.8, 1, 1.2])


@dataclass(frozen=True)
class Tastes:
    """Per subscriber and slot.

    Attributes
    ----------
    category, category_from, category_to
        Interests: category (or NEVER) and the local days it holds, from the first to before the last.
    intent, intent_from, intent_to
        The one intent, likewise; no slots.
    """

    category: Ints
    category_from: Ints
    category_to: Ints
    intent: Ints
    intent_from: Ints
    intent_to: Ints

    def active(self, day: int) -> tuple[Ints, Ints]:
        """Interests of a local day: categories moved to the first slots, and how many there are."""
        on = (self.category != NEVER) & (self.category_from <= day) & (day < self.category_to)
        order = np.argsort(~on, axis=1, kind="stable")
        return np.take_along_axis(self.category, order, axis=1), on.sum(axis=1)

    def intent_on(self, day: int) -> Ints:
        """Intent of a local day, or NEVER."""
        return np.where((self.intent_from <= day) & (day < self.intent_to), self.intent, NEVER)


def draw(subscribers: int, days: int, ecommerce: Bools, rng: np.random.Generator) -> Tastes:
    """Tastes of a population.

    Two in three keep one to three interests throughout; one in five drops its first for its second at some day; the
    rest gain or lose their second. E-commerce people have shopping as a further, lasting one.
    """
    # The smallest of exponential waiting times: popular categories tend to come first.
    score = rng.exponential(1 / _APPEAL, (subscribers, _INTERESTS))
    score[ecommerce, SHOPPING] = np.inf
    category = np.full((subscribers, _SLOTS), NEVER)
    category[:, :3] = np.argsort(score, axis=1)[:, :3]
    category[ecommerce, 3] = SHOPPING
    count = rng.choice([1, 2, 3], subscribers, p=[0.35, 0.4, 0.25])
    story = rng.choice(["steady", "switch", "gain", "lose"], subscribers, p=[0.65, 0.2, 0.08, 0.07])
    count = np.where(story == "steady", count, np.maximum(count, 2))
    category[:, 1][count < 2] = NEVER
    category[:, 2][count < 3] = NEVER
    begin, end = np.zeros((subscribers, _SLOTS), np.int64), np.full((subscribers, _SLOTS), days + 1)
    turn = mid_period(days, subscribers, rng)
    end[:, 0] = np.where(story == "switch", turn, end[:, 0])
    begin[:, 1] = np.where((story == "switch") | (story == "gain"), turn, 0)
    end[:, 1] = np.where(story == "lose", turn, end[:, 1])

    intent = np.where(rng.random(subscribers) < 0.15, rng.integers(0, len(INTENTS), subscribers), NEVER)
    intent_from = (rng.random(subscribers) * max(days - 2, 1)).astype(np.int64)
    intent_to = np.minimum(intent_from + rng.integers(3, 15, subscribers), days + 1)
    return Tastes(category, begin, end, intent, intent_from, intent_to)


def mid_period(days: int, n: int, rng: np.random.Generator) -> Ints:
    """`n` local days in the middle 40 % of the period; at least day 1."""
    return np.maximum((days * rng.uniform(0.3, 0.7, n)).astype(np.int64), 1)
