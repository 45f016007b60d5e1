"""What tags may be used for, and which consent covers it: the two lists of the operator's privacy notice.

Default deny: a purpose nobody has consented to is not allowed. The necessary list is consented to as a whole, the
optional purposes one by one.
"""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

NECESSARY = "necessary"
"""Purpose of a consent record about the whole necessary list."""


class Purpose(Struct, frozen=True):
    """One purpose: the list it is on and what it means; ``source`` is agreed with whoever delivers the data.

    Attributes
    ----------
    alone
        Whether tags of this purpose may serve no other, whatever else a person has consented to: nobody who agrees to
        protection from fraud, or to a panel, expects to be chosen for anything else by it.
    """

    list: Literal["necessary", "optional", "source"]
    meaning: str
    alone: bool = False


PURPOSES: dict[str, Purpose] = {
    "service": Purpose("necessary", "providing and billing the service the person has ordered"),
    "security": Purpose("necessary", "protecting the person and the network from fraud", alone=True),
    "marketing": Purpose("optional", "offers that fit the person"),
    "profiling": Purpose("optional", "interests and intentions from app and web use"),
    "location_services": Purpose("optional", "where the person lives, works and goes, by business district"),
    "social_analysis": Purpose("optional", "how many people the person is in touch with, and how"),
    "credit_risk": Purpose("optional", "spending and payment behaviour"),
    "panel": Purpose("source", "third-party panel data, consented to where it was collected", alone=True),
}
