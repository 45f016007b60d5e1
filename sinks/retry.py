"""Retrying a store's transient failures: back off with jitter, hold the stream back, give up in bounded time."""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

_log = logging.getLogger(__name__)


class SinkGaveUp(RuntimeError):
    """A store stayed unavailable for `sink_give_up_s`; the job fails and restarts from its last checkpoint."""


class Transient(Exception):
    """Raised inside a retried call: this failure may pass. Carries the kind of failure, never data."""


def retrying(store: str, give_up_s: float, call: Callable[[], T]) -> T:
    """Run `call` until it returns, retrying `Transient` failures for `give_up_s` seconds.

    The first pause is 50 ms, doubling to at most 5 s, each shortened by up to half at random so that workers don't
    come back in step.

    Raises
    ------
    SinkGaveUp
        When it still fails after `give_up_s`.
    """
    started = time.monotonic()
    pause_s = 0.05
    while True:
        try:
            return call()
        except Transient as failure:
            waited_s = time.monotonic() - started
            if waited_s > give_up_s:
                msg = (
                    f"{store} unavailable {waited_s:.0f} s ({failure}): gave up after sink_give_up_s={give_up_s:g}; "
                    f"the job restarts from its last checkpoint. Check the store, then `livetags status`"
                )
                raise SinkGaveUp(msg) from None
            _log.warning("%s unavailable (%s), retrying", store, failure)
            time.sleep(pause_s * random.uniform(0.5, 1.0))
            pause_s = min(pause_s * 2, 5.0)
