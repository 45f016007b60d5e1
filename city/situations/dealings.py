"""Scenes about what is paid, ordered, registered, said and offered."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from city import marks
from city.calling import VOICE
from city.catalogue import CHANNELS, DEVICES
from city.clock import DAY_MS, HOUR_MS
from city.offering import CLICKED, DELIVERED, SENT, UNSUBSCRIBE
from city.paying import BILL, RECHARGE
from city.population import People
from city.rows import Floats, Ints, Rows
from city.situations.absences import Absences
from city.situations.decaying import Decaying
from city.situations.found import Found, certain
from city.situations.repeats import Repeats
from city.situations.turns import turns

_LARGE_YUAN = 100.0
_LARGE_AGAIN_MS = 20 * DAY_MS
_JUMP = 1.2
_BUSY, _RESTED = 4.0, 2.0
_SMS = CHANNELS.index("sms") + 1
_LONG_AGO = -(1 << 60)


class Dealings:
    """Dealings of everybody with the operator, carried from day to day."""

    def __init__(self, people: People) -> None:
        n = people.count
        self._is_premium = np.array([device.price_band == "premium" for device in DEVICES])[people.device]
        self._large_ms = np.full(n, _LONG_AGO)
        self._bills, self._yuan = Decaying(n, 90.0), Decaying(n, 90.0)
        self._group_calls = Repeats(n, 4, 14 * DAY_MS)
        self._unclicked = Absences(n, 2 * HOUR_MS)
        self._contacts = Decaying(n, 7.0)
        self._fades_ms = np.zeros(n, np.int64)  # 0: not contacted that much

    def day_of(self, feeds: dict[str, Rows], counted: dict[str, Rows], until_ms: int) -> Iterator[Found]:
        """Situations of a local day; `counted` are the records of what a late one can still be told of, when they come.

        That is all but what waits in vain: a bill, an order, a call is noticed then.
        """
        yield self._premium(counted["registration"])
        billing = counted["billing"]
        yield certain("recharge-large", *self._large(billing.take(billing["kind"] == RECHARGE)))
        believable = (billing["kind"] == BILL) & ((billing["marks"] & marks.OUTLIER_BILL) == 0)
        yield certain("bill-jump", *self._jumps(billing.take(believable)))
        orders = counted["order"]
        returned = orders["action"] == UNSUBSCRIBE
        yield certain("order-returned", orders["who"][returned], orders["time"][returned])
        calls = counted["cdr"]
        grouped = (calls["kind"] == VOICE) & (calls["parties"] >= 3) & ((calls["marks"] & marks.OUTLIER_CALL) == 0)
        yield certain("group-calls", *self._group_calls.day_of(calls.take(grouped)))
        contacts = feeds["contact"]
        by_sms = contacts.take(contacts["channel"] == _SMS)
        reached, clicked = (by_sms.take(by_sms["result"] == result) for result in (DELIVERED, CLICKED))
        yield certain("sms-not-clicked", *self._unclicked.day_of(reached, clicked, until_ms))
        sent = counted["contact"].take(counted["contact"]["result"] == SENT)
        yield certain("contact-rested", *self._rested(sent, until_ms))

    def _premium(self, cards: Rows) -> Found:
        who = cards["who"]
        unsaid = (cards["marks"] & marks.MISSING_DEVICE) > 0
        told = self._is_premium[who] | unsaid
        return Found("premium-phone", who[told], cards["time"][told], unsaid[told])

    def _large(self, recharges: Rows) -> tuple[Ints, Ints]:
        large = recharges.take(recharges["amount"] >= _LARGE_YUAN)
        found = [(np.zeros(0, np.int64), np.zeros(0, np.int64))]
        for turn in turns(large["who"], large["looked"]):
            who, time = large["who"][turn], large["time"][turn]
            again = np.abs(time - self._large_ms[who]) >= _LARGE_AGAIN_MS
            found.append((who[again], time[again]))
            self._large_ms[who[again]] = np.maximum(self._large_ms[who[again]], time[again])
        everyone, at_ms = (np.concatenate(column) for column in zip(*found, strict=True))
        return everyone, at_ms

    def _jumps(self, bills: Rows) -> tuple[Ints, Ints]:
        who, time, amount = bills["who"], bills["time"], bills["amount"]
        usual: Floats = self._yuan.add(who, time, amount) / self._bills.add(who, time, 1.0)
        jumps = amount > _JUMP * usual
        return who[jumps], time[jumps]

    def _rested(self, sent: Rows, until_ms: int) -> tuple[Ints, Ints]:
        rested = []
        for turn in turns(sent["who"], sent["looked"]):
            who, time, looked = (sent[column][turn] for column in ("who", "time", "looked"))
            rested.append(self._faded(who, looked))
            weight = self._contacts.add(who, time, 1.0)
            busy = (weight >= _BUSY) | (self._fades_ms[who] > 0)
            fades_ms = self._contacts.newest_ms(who) + (self._contacts.half_life_ms * np.log2(weight / _RESTED)).astype(
                np.int64
            )
            self._fades_ms[who[busy]] = fades_ms[busy]
        everybody = np.arange(len(self._fades_ms))
        rested.append(self._faded(everybody, np.full(len(everybody), until_ms)))
        found, at_ms = (np.concatenate(column) for column in zip(*rested, strict=True))
        return found, at_ms

    def _faded(self, who: Ints, time: Ints) -> tuple[Ints, Ints]:
        faded = who[(self._fades_ms[who] > 0) & (self._fades_ms[who] <= time)]
        at_ms = self._fades_ms[faded]
        self._fades_ms[faded] = 0
        return faded, at_ms
