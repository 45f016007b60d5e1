"""A tag group: tags that decay alike and are measured in the same unit."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

MS_PER_DAY = 86_400_000
MAX_HALF_LIFE_DAYS = 1_000_000


Kind = Literal["weight", "numeric", "fact"]
Stores = Literal["both", "hot", "history"]
Drift = Literal["", "rebuilt", "watched"]
Sensitivity = Literal["low", "personal", "sensitive"]
MoreTags = Literal["", "any", "apps", "categories", "intents", "districts", "provinces", "regions"]

FOREVER_DAYS = float(MAX_HALF_LIFE_DAYS)
"""Half-life of what does not fade: facts."""


class TagGroup(Struct, frozen=True):
    """Declaration of a group of tags; a tag is named ``<group>:<name>``.

    Attributes
    ----------
    name
        Group's name, lower case; no colon, no leading underscore (those are reserved in the hot profile).
    kind
        ``weight``: a decayed sum of values. ``numeric``: decayed weight, mean and variance of values. ``fact``: one tag
        at a time, the one with the newest evidence (at the same instant the later name, then the larger value): a plan.
    unit
        Unit of the values.
    half_life_days
        Days after which evidence counts half. Overridden by the setting ``half_life_days``.
    meaning
        One sentence for the catalogue.
    family
        Family the group belongs to: base, behaviour, consumption ...
    sources
        Feeds its evidence comes from.
    purpose
        What the tag may be used for: a person must have consented to it, see `udfs.privacy.consent`.
    sensitivity
        ``low``, ``personal``, or ``sensitive``: what the law protects most (location, credit, health ...).
    stores
        Where the group is kept: ``hot`` (Redis), ``history`` (ClickHouse) or ``both``.
    version
        Raised when the meaning of the values changes.
    drift
        ``rebuilt``: when the person's behaviour has drifted, its earlier evidence is down-weighted. ``watched``: that
        too, and the shares of its tags are what drift is noticed by; each piece of evidence counts once.
    tags
        Names of its tags, as far as the code knows them.
    more_tags
        What other tags there can be: none (empty), those of a dictionary (apps and sites; their categories; intents of
        searches, and each as ``<intent>_budget``; districts; provinces; regions), or ``any``.
    order_free
        Whether its evidence is the same whatever the order of a person's events; false where it looks at earlier ones.
    ordered
        Of a fact: whether `tags` are steps from the lowest to the highest, so that they compare.
    """

    name: str
    kind: Kind
    unit: str
    half_life_days: float
    meaning: str
    family: str = ""
    sources: tuple[str, ...] = ()
    purpose: str = "service"
    sensitivity: Sensitivity = "personal"
    stores: Stores = "both"
    version: int = 1
    order_free: bool = True
    drift: Drift = ""
    tags: tuple[str, ...] = ()
    more_tags: MoreTags = "any"
    ordered: bool = False

    @property
    def half_life_ms(self) -> int:
        """Half-life in whole milliseconds: integers keep the landmark arithmetic exact."""
        return half_life_ms(self.half_life_days)


def half_life_ms(half_life_days: float) -> int:
    """Days as whole milliseconds, at least one.

    Raises
    ------
    ValueError
        When it is not a positive number, or longer than any evidence.
    """
    if not 0 < half_life_days <= MAX_HALF_LIFE_DAYS or not (ms := round(half_life_days * MS_PER_DAY)):
        msg = f"half_life_days must be at least 1 ms and at most {MAX_HALF_LIFE_DAYS:,} days, got {half_life_days!r}"
        raise ValueError(msg)
    return ms
