"""Real Flink over a real broker: keyed and unkeyed records, poison, and a stop with a savepoint."""

from __future__ import annotations

from pathlib import Path

import pytest
from harness import BAD_HOUSEHOLD, consents, fresh_settings, household_lines, run, verified, with_dirt

from livetags.embedded import topics
from livetags.inputs import resolve
from livetags.job_process import JobFailed
from sources import FEEDS

pytestmark = [pytest.mark.flink, pytest.mark.stores, pytest.mark.kafka]


def test_bounded_topic_with_and_without_keys_and_poison(
    bootstrap: str, tmp_path: Path, valkey: str, clickhouse: str
) -> None:
    """Odd records have no key: the feed's key expression must find the same subscriber for them, in both encodings."""
    household, dpi = FEEDS["household"], FEEDS["dpi"]
    # one partition, so that a user's keyed and unkeyed records keep their order
    topics.create_topic(bootstrap, household.topic, 1)
    topics.create_topic(bootstrap, dpi.topic, 1)
    lines = with_dirt(household_lines(6_000), BAD_HOUSEHOLD)
    keyed = [(household.subscriber(v) if n % 2 else None, v) for n, v in enumerate(lines)]
    poison: list[tuple[bytes | None, bytes | None]] = [(b"900", None), (b"901", lines[1]), (b"\xff\xfe", lines[2])]
    topics.publish(bootstrap, household.topic, [*keyed, *poison])
    values = list(dpi.sample(6_000, 3))
    topics.publish(
        bootstrap, dpi.topic, [(dpi.subscriber(v) if n % 2 else None, v) for n, v in enumerate([*values, b"\x0a\xff"])]
    )

    settings = fresh_settings(tmp_path, valkey, clickhouse)
    inputs = [source for feed in ("household", "dpi") for source in resolve(feed, f"kafka://{bootstrap}")]
    finished = run(settings, inputs)

    assert finished.totals.events_in == len(lines) + 3 + 6_001
    assert finished.totals.balanced
    rejected = finished.totals.rejected
    assert rejected["household/key_mismatch"] == 1
    assert rejected["household/record_too_large"] == 1
    # several topics are not in step, so no consents are read here: what is refused for that had its subscriber found
    assert rejected["dpi/no_consent"] == len(set(values))
    assert rejected["dpi/malformed"] == 1
    verdict = verified(settings)
    assert verdict.ok, verdict.first[0].split(":")[0]


def test_unbounded_topic_stopped_with_a_savepoint_and_continued(
    bootstrap: str, tmp_path: Path, valkey: str, clickhouse: str
) -> None:
    topic = "continued"
    topics.create_topic(bootstrap, topic, 2)
    topics.create_topic(bootstrap, "consents", 1)
    dpi = FEEDS["dpi"]
    values = [(dpi.subscriber(v), v) for v in dpi.sample(8_000, 5)]
    granted = [(c.msisdn.encode(), c.SerializeToString()) for c in consents(value for _, value in values)]
    topics.publish(bootstrap, "consents", granted)
    settings = fresh_settings(tmp_path, valkey, clickhouse, window_ms=100)
    inputs = [
        *resolve("consent", f"kafka://{bootstrap}/consents"),
        *resolve("dpi", f"kafka://{bootstrap}/{topic}"),
    ]
    before, at_the_end = len(granted) + 5_000, len(granted) + 8_000
    waiting = [values[:5_000]]

    def all_in(events_in: int) -> bool:
        # topics are not in step: the flows come when every consent has been passed on
        if waiting and events_in == len(granted):
            topics.publish(bootstrap, topic, waiting.pop())
        return events_in >= before

    first = run(settings, inputs, bounded=False, interrupted=all_in)
    assert first.status == "stopped"
    assert first.totals.events_in == before
    assert first.totals.rejected == {}
    assert verified(settings).ok

    topics.publish(bootstrap, topic, values[5_000:])
    with pytest.raises(JobFailed, match="Cannot map checkpoint/savepoint state"):
        run(settings.model_copy(update={"shards": 4}), inputs, restore=first.savepoint)

    second = run(
        settings,
        inputs,
        bounded=False,
        restore=first.savepoint,
        interrupted=lambda events_in: events_in >= at_the_end,
    )
    assert second.totals.events_in == at_the_end
    assert second.totals.rejected == {}
    assert second.totals.balanced
    verdict = verified(settings)
    assert verdict.ok, verdict.differences
