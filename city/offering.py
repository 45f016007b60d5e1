"""Feeds `contact` and `order`: offers made by channel, what becomes of them, and what people order by themselves."""

from __future__ import annotations

import numpy as np

from city.catalogue import CHANNELS, PRODUCTS
from city.clock import DAYTIME, MINUTE_MS, SECOND_MS, local_midnight
from city.population import People
from city.rows import Bools, Floats, Ints, Rows, joined

SENT, DELIVERED, OPENED, CLICKED, CONVERTED, REFUSED, UNSUBSCRIBED = range(1, 8)
SUBSCRIBE, UNSUBSCRIBE = 1, 2
_OFFERS_A_DAY = 0.35
_ORDERS_A_DAY = 0.012
_RETURNS_A_DAY = 0.003
_DELIVERED: Floats = np.array([0.95, 0.80, 0.62, 0.88])  # by channel
# Chance of each further stage: through another channel, and through the preferred one.
_STAGES = ((OPENED, 0.14, 0.60), (CLICKED, 0.20, 0.50), (CONVERTED, 0.12, 0.40))
_REFUSED, _UNSUBSCRIBED = 0.04, 0.01
ROAMING_PASS = [product for product, _ in PRODUCTS].index("roaming_day_pass")
"""Its place among the products."""
_MARKETING = 1  # its place among the consents
_CONTACTS_A_DAY = 1 << 28


class Offers:
    """The offers of a city, day by day; who has unsubscribed gets no more."""

    def __init__(self, people: People, seed: int) -> None:
        self._people = people
        self._seed = seed
        self._gone: Bools = np.zeros(people.count, np.bool_)

    def day_of(self, day: int) -> tuple[Rows, Rows]:
        """Contacts (number, channel, result, offer, contact) and orders (action, product, amount) of a local day."""
        people = self._people
        rng = np.random.default_rng([self._seed, 10, day])
        time = local_midnight(day) + DAYTIME.draw(rng, people.count)
        agreed = people.consents[:, _MARKETING] & ~((people.withdraws == _MARKETING) & (people.withdraws_ms <= time))
        alive = agreed & ~self._gone & (time >= people.fates.active_ms)
        who = np.flatnonzero(alive & (rng.random(people.count) < _OFFERS_A_DAY))
        channel = np.where(rng.random(len(who)) < 0.3, people.channel[who], rng.integers(0, len(CHANNELS), len(who)))
        offer = rng.integers(0, len(PRODUCTS), len(who))
        contact = day * _CONTACTS_A_DAY + np.arange(len(who))
        sent = Rows(
            who=who.astype(np.int32),
            time=time[who],
            marks=np.zeros(len(who), np.uint32),
            channel=channel + 1,
            result=np.full(len(who), SENT),
            offer=offer,
            contact=contact,
        )
        stages = self._responses(sent, rng)
        contacts = joined(stages)
        contacts["number"] = people.fates.number(contacts["who"], contacts["time"]).astype(np.int32)
        taken = contacts.take(contacts["result"] == CONVERTED)
        orders = [
            _orders(taken["who"], taken["time"] + MINUTE_MS, SUBSCRIBE, taken["offer"]),
            self._unprompted(day, SUBSCRIBE, _ORDERS_A_DAY, rng),
            self._unprompted(day, UNSUBSCRIBE, _RETURNS_A_DAY, rng),
        ]
        return contacts, joined(orders)

    def _responses(self, sent: Rows, rng: np.random.Generator) -> list[Rows]:
        """The contacts sent, and every later result of them."""
        delay = rng.integers(SECOND_MS, 30 * SECOND_MS, len(sent))
        delivered = _next(sent, DELIVERED, rng.random(len(sent)) < _DELIVERED[sent["channel"] - 1], delay)
        stages = [sent, delivered]
        for result, other, preferred in _STAGES:
            last = stages[-1]
            chance = np.where(last["channel"] - 1 == self._people.channel[last["who"]], preferred, other)
            delay = rng.integers(10 * SECOND_MS, 20 * MINUTE_MS, len(last))
            stages.append(_next(last, result, rng.random(len(last)) < chance, delay))
        luck = rng.random(len(delivered))
        delay = rng.integers(30 * MINUTE_MS, 90 * MINUTE_MS, len(delivered))
        untaken = ~np.isin(delivered["contact"], stages[-1]["contact"])
        refused = _next(delivered, REFUSED, untaken & (luck < _REFUSED), delay)
        leaves = untaken & (luck > 1 - _UNSUBSCRIBED)
        self._gone[delivered["who"][leaves]] = True
        return [*stages, refused, _next(delivered, UNSUBSCRIBED, leaves, delay)]

    def _unprompted(self, day: int, action: int, share: float, rng: np.random.Generator) -> Rows:
        who = np.flatnonzero(rng.random(self._people.count) < share)
        time = local_midnight(day) + DAYTIME.draw(rng, len(who))
        return _orders(who, time, action, rng.integers(0, len(PRODUCTS), len(who)))


def _next(rows: Rows, result: int, happens: Bools, delay_ms: Ints) -> Rows:
    later = rows.take(happens)
    later["time"] += delay_ms[happens]
    later["result"][:] = result
    return later


def _orders(who: Ints, time: Ints, action: int, product: Ints) -> Rows:
    price = np.array([yuan for _, yuan in PRODUCTS])
    return Rows(
        who=who.astype(np.int32),
        time=time,
        marks=np.zeros(len(who), np.uint32),
        action=np.full(len(who), action),
        product=product,
        amount=price[product] if action == SUBSCRIBE else np.zeros(len(who)),
    )
