"""Sink of scene triggers: one Redis stream, each trigger in it once, pipelined once per batch.

Guarantee: a trigger is in the stream when `write_batch` returns, and no trigger is added twice within the retention,
whatever is replayed or restarted: the server remembers the ids it has added, in the same atomic step. Idempotency key:
the trigger's id. A repeated batch gives the same receipts as the first. Of a person who was erased nothing from before
the erasure is added. Works on Redis 7.0 or later and Valkey, and on one node of a cluster: all keys share a hash tag.
"""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import replace

from schemas.outputs import Receipt, Trigger
from sinks.server_functions import connect
from sinks.trigger_functions import TriggerFunctions


class TriggerStream:
    """Writes triggers.

    Parameters
    ----------
    url
        redis:// or rediss:// URL, with credentials if needed; never logged.
    prefix
        First part of every key.
    timeout_s, give_up_s
        Limit of one network operation, and of retrying a batch before the job fails.
    retention_ms
        How long an entry stays in the stream at least, and how long its id is remembered: must outlive any replay, and
        any pause of a consumer. Entries leave as others are added.

    Raises
    ------
    SinkGaveUp
        From `open` and `write_batch` when the server stays away for `give_up_s`.
    """

    def __init__(self, url: str, prefix: str, timeout_s: float, give_up_s: float, retention_ms: int) -> None:
        self._client = connect(url, timeout_s)
        self._functions = TriggerFunctions(self._client, prefix, give_up_s)
        self._retention_ms = retention_ms

    def open(self) -> None:
        """Load the server-side functions."""
        self._functions.load()

    def write_batch(self, triggers: Sequence[Trigger]) -> list[Receipt]:
        """Write the triggers, in their order; returns a receipt for each.

        Triggers in shadow are not sent: their receipts say 0. So does that of a trigger that arose before its person
        was erased. A trigger that was sent before has its first receipt again, with what it was decided then.
        """
        sent = [trigger for trigger in triggers if not trigger.shadow]
        times_ms = iter(self._functions.add(sent, self._retention_ms))
        return [Receipt(trigger, 0) if trigger.shadow else _receipt(trigger, *next(times_ms)) for trigger in triggers]

    def close(self) -> None:
        """Close the connection; nothing is buffered, so nothing is lost without it."""
        self._client.close()


def _receipt(trigger: Trigger, decided_ms: int, sent_ms: int) -> Receipt:
    return Receipt(replace(trigger, decided_ms=decided_ms) if sent_ms else trigger, sent_ms)
