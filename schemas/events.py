"""Decoded events: what a feed's bytes become before any tag is computed.

Every event names its subscriber, carries a 64-bit identity for de-duplication, and its time in milliseconds since the
epoch (UTC). One class per kind of behaviour; units are in the field names. No event holds a raw identifier: a feed's
`decode` has replaced every one by its pseudonym.

Fields marked "cleaning" are empty as decoded; the cleaning steps fill them in.
"""

from __future__ import annotations

from hashlib import blake2b

from msgspec import Struct


class Event(Struct, tag=True, array_like=True):
    """What all events share.

    Attributes
    ----------
    user
        Whom the record is keyed by: the pseudonym of an identifier, and after the door that of the person.
    event_id
        64-bit identity of the event within its user: two records with the same one are the same event.
    event_time_ms
        When it happened, milliseconds since the epoch, UTC.
    """

    user: str
    event_id: int
    event_time_ms: int


class Purchase(Event):
    """One line of a shopping basket: what was bought, how much of it, for how much money."""

    category: str
    quantity: float
    spend: float


class AppUse(Event):
    """One DPI flow record: which app or site was used, and the traffic it caused.

    `keyword` holds the words searched for, empty when the flow is no search.
    """

    app: str
    category: str
    bytes_up: int
    bytes_down: int
    host: str = ""
    keyword: str = ""


class Presence(Event):
    """A subscriber was seen at a cell.

    Attributes
    ----------
    kind
        ``attach``, ``handover``, ``location_update`` or ``detach``.
    cell
        Cell as the network names it; cleaning replaces it by "" once the district is known: nothing finer is kept.
    province
        Province the serving network is in; empty if not said (cleaning).
    district, district_kind
        Business district and its kind (residential, business, mall ...) (cleaning).
    """

    kind: str
    cell: str
    province: str = ""
    district: str = ""
    district_kind: str = ""


class Call(Event):
    """A voice call or a short message; `peer` is the pseudonym of the other side, `parties` 2 for an ordinary call."""

    kind: str  # voice or sms
    outgoing: bool
    peer: str
    duration_s: float
    parties: int


class DataUsage(Event):
    """A reading of the cumulative data counter; `bytes_used` since the reading before (cleaning)."""

    bytes_total: int
    bytes_used: int = 0


class Billing(Event):
    """A bill, a recharge, or what the plan has left."""

    kind: str  # bill, recharge or balance
    amount_yuan: float
    plan_tier: str = ""
    remaining_mb: float = 0.0
    included_mb: float = 0.0


class Registration(Event):
    """A card was opened, or its data changed.

    Attributes
    ----------
    person
        Pseudonym of the person (the record is keyed by who opened the card).
    age, gender, region, device_model, device_os, occupation, plan_tier
        As written; 0 or empty if not said. Cleaning normalises and fills them.
    activation_time_ms
        0 if not said.
    device_brand, device_price_band, device_launch_year
        From the device dictionary (cleaning).
    cards_of_registrant
        Cards the same document has opened within 30 days, this one included (the door).
    filled
        Names of the attributes that were missing and filled (cleaning).
    """

    person: str
    age: int = 0
    gender: str = ""  # female or male
    region: str = ""
    activation_time_ms: int = 0
    device_model: str = ""
    device_os: str = ""
    occupation: str = ""
    plan_tier: str = ""
    device_brand: str = ""
    device_price_band: str = ""
    device_launch_year: int = 0
    cards_of_registrant: int = 1
    filled: tuple[str, ...] = ()


class CardsOpened(Event):
    """The document that opened the person's card has opened so many within 30 days; no record of its own."""

    cards: int


class Order(Event):
    """A product was ordered or given back."""

    product: str
    subscribed: bool
    amount_yuan: float


class Contact(Event):
    """A result of one contact: ``sent``, ``delivered``, ``opened``, ``clicked``, ``converted``, ``refused`` or
    ``unsubscribed``, by channel ``sms``, ``push``, ``call`` or ``popup``.
    """

    channel: str
    result: str
    offer: str
    contact: str


class Consent(Event):
    """A person's decision; `purpose` is ``necessary`` for the whole necessary list."""

    purpose: str
    granted: bool
    list_version: int


class Link(Event):
    """From `event_time_ms` on, the identifier `user` belongs to `person` (both pseudonyms)."""

    person: str


class RightsRequest(Event):
    """A person asks for erasure or export of what is held up to `event_time_ms`; `request` is its reference."""

    action: str  # erase or export
    request: str


class Rebuild(Event):
    """Somebody asks for a rebuild: the person behaves as now since `since_ms`, milliseconds since the epoch, UTC."""

    since_ms: int


AnyEvent = (
    Purchase
    | AppUse
    | Presence
    | Call
    | DataUsage
    | Billing
    | Registration
    | CardsOpened
    | Order
    | Contact
    | Consent
    | Link
    | RightsRequest
    | Rebuild
)
"""Any kind of event, as a type that can be decoded again."""


def identity_of(text: str) -> int:
    """64-bit event identity of a feed's own record id.

    Stable across processes and versions (Python's `hash` is not). Two different ids of one user collide with
    probability 2**-64 each pair: with 4,096 ids in a user's horizon, below 1e-12.
    """
    return int.from_bytes(blake2b(text.encode(), digest_size=8).digest(), "little")
