"""The server-side functions of the stream of triggers."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence

import redis

from schemas.outputs import Removal, Trigger
from schemas.redis_keys import (
    trigger_entries_key,
    trigger_memory_key,
    trigger_stream_key,
    trigger_tombstone_key,
)
from sinks.server_functions import Call, ServerFunctions
from sinks.trigger_message import as_json, as_protobuf

ADD_TRIGGER = "livetags_add_trigger_1"
ERASE_TRIGGERS = "livetags_erase_triggers_1"


class TriggerFunctions(ServerFunctions):
    """Calls of the functions on one client, each until it succeeded.

    Parameters
    ----------
    client, give_up_s
        See `ServerFunctions`.
    prefix
        First part of every key.
    """

    def __init__(self, client: redis.Redis, prefix: str, give_up_s: float) -> None:
        super().__init__(client, "trigger_stream.lua", give_up_s)
        self._prefix = prefix

    def add(self, triggers: Sequence[Trigger], retention_ms: int) -> list[tuple[int, int]]:
        """Add the triggers to the stream, each that isn't there yet.

        Returns, of each, when it was decided and when it could be read first: of one that was added before what was
        true then; zeros of one that arose before its person was erased, which is not added.
        """
        calls: list[Call] = [
            (
                ADD_TRIGGER,
                *self._keys(trigger.user, trigger.id),
                trigger.decided_ms,
                trigger.at_ms,
                retention_ms,
                *("id", trigger.id, "user", trigger.user, "rule", trigger.rule),
                *("json", as_json(trigger), "pb", as_protobuf(trigger)),
            )
            for trigger in triggers
        ]
        return [(decided_ms, sent_ms) for decided_ms, sent_ms in self.call(calls)]

    def erase(self, removals: Iterable[Removal], tombstone_ms: int) -> int:
        """Take every trigger of those who were erased out of the stream; returns how many.

        All of theirs that are in the stream, also from after the erasure: repeating it later takes too many, never too
        few. A trigger is of a person, never of an identifier whose profile moves, so a move has nothing to do here.
        """
        expiry_ms = int(time.time() * 1_000) + tombstone_ms
        calls: list[Call] = [
            (ERASE_TRIGGERS, *self._keys(r.user, ""), r.time_ms, expiry_ms) for r in removals if r.kind == "erase"
        ]
        return sum(self.call(calls))

    def _keys(self, user: str, trigger: str) -> tuple[int, str, str, str, str]:
        prefix = self._prefix
        return (
            4,
            trigger_stream_key(prefix),
            trigger_memory_key(prefix, trigger),
            trigger_entries_key(prefix, user),
            trigger_tombstone_key(prefix, user),
        )
