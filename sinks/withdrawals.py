"""The newest withdrawals of consent that a writer has carried out, for receipts that come after them.

Receipts of triggers come by way of the hot sink, which knows when they were sent; removals come straight from the
operator. So a receipt of a trigger from before a withdrawal may be written after it, and must not bring values back.
"""

from __future__ import annotations

from msgspec.structs import replace

from schemas.outputs import Receipt, Removal

# A receipt is seconds behind at most; so many withdrawals don't come in a minute. Some 100 bytes each.
_REMEMBERED = 10_000


class Withdrawals:
    """Who has withdrawn a consent, and when; of the newest 10,000."""

    def __init__(self) -> None:
        self._newest_ms: dict[str, int] = {}

    def take(self, removal: Removal) -> None:
        """Remember it if it is a withdrawal."""
        if removal.kind == "forget":
            known_ms = self._newest_ms.pop(removal.user, 0)
            self._newest_ms[removal.user] = max(known_ms, removal.time_ms)
            if len(self._newest_ms) > _REMEMBERED:
                del self._newest_ms[next(iter(self._newest_ms))]

    def applied(self, receipt: Receipt) -> Receipt:
        """The receipt, without its values if it is of a trigger from before a withdrawal of its person."""
        trigger = receipt.trigger
        if trigger.at_ms > self._newest_ms.get(trigger.user, -1):
            return receipt
        return receipt._replace(trigger=replace(trigger, values={}))
