"""Intent: what the person is about to do or buy, from searches and from sites visited again and again."""

from __future__ import annotations

from schemas.events import AppUse
from schemas.outputs import Evidence
from schemas.person_memory import PersonMemory
from schemas.rules import Rules
from schemas.tag_group import TagGroup

EVENTS = (AppUse,)

SEARCHED = 1.0
VISITED = 0.2
"""Value of a visit: five visits say as much as one search."""

_SHOPPED_FOR = ("property", "cars", "renovation")
"""Categories of sites one visits to buy something."""
_BUDGET = ("预算", "budget")
"""A search that names a budget is evidence for ``<intent>_budget`` too."""

GROUPS = (
    # Reading: above 1, searched for within days, or visited five times: act now. A week later it has more than halved.
    TagGroup(
        name="intent",
        kind="weight",
        unit="searches",
        half_life_days=5.0,
        meaning="Searches that show an intent, decayed; a visit to a site of property, cars or renovation counts 0.2.",
        family="intent",
        sources=("dpi",),
        purpose="profiling",
        tags=_SHOPPED_FOR,
        more_tags="intents",
    ),
)


def evidence(event: AppUse, memory: PersonMemory, rules: Rules) -> tuple[Evidence, ...]:
    """The intent that the search words name, or else the one that the site visited does.

    A site's name or host may itself hold a keyword (a car brand's own site); a site of the category without one is
    evidence for the category.
    """
    if event.keyword:
        words = event.keyword.lower()
        intent = intent_of(words, rules.dictionaries.keywords)
        if intent:
            if any(budget in words for budget in _BUDGET):
                return (("intent", intent, SEARCHED), ("intent", f"{intent}_budget", SEARCHED))
            return (("intent", intent, SEARCHED),)
    if event.category in _SHOPPED_FOR:
        site = f"{event.app} {event.host}".lower()
        return (("intent", intent_of(site, rules.dictionaries.keywords) or event.category, VISITED),)
    return ()


def intent_of(text: str, keywords: tuple[tuple[str, str], ...]) -> str:
    """Intent of the longest keyword found in a lower-case text, empty if there is none. Linear in the keywords."""
    for word, intent in keywords:
        if word in text:
            return intent
    return ""
