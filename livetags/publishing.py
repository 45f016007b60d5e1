"""Publishing files to topics, all feeds in step."""

from __future__ import annotations

from collections import defaultdict
from itertools import islice

from livetags.embedded import topics
from livetags.feed_topics import make_topics
from livetags.inputs import Input, resolve
from livetags.progress import ConsoleProgress
from sources.replay import in_step

_IN_STEP = 20_000
_PARTITIONS = 4
_MAX_RECORD_BYTES = 1 << 20


def publish_in_step(inputs: list[Input], brokers: str, progress: ConsoleProgress) -> int:
    """Publish the records of all inputs, each to its feed's own topic, keyed by identifier; returns how many.

    Topics that are not there are made, also of feeds that the inputs lack: a job with all feeds reads those too. Feeds
    keep step to within some ten thousand records.

    Raises
    ------
    TopicError
        When the broker is away or refuses a record; part of the records may be published then.
    """
    targets = {source.feed.name: resolve(source.feed.name, brokers)[0] for source in inputs}
    for target in targets.values():
        topics.create_topic(target.bootstrap, target.topic, _PARTITIONS)
    for bootstrap in {target.bootstrap for target in targets.values()}:
        make_topics(bootstrap, _PARTITIONS)
    records = in_step([(source.feed, source.files) for source in inputs], _MAX_RECORD_BYTES)
    done = 0
    while chunk := list(islice(records, _IN_STEP)):
        by_feed: dict[str, list[tuple[bytes | None, bytes | None]]] = defaultdict(list)
        for number, _, _, value in chunk:
            feed = inputs[number].feed
            by_feed[feed.name].append((feed.subscriber(value), value))
        for name, values in by_feed.items():
            topics.publish(targets[name].bootstrap, targets[name].topic, values)
        done += len(chunk)
        progress.events(done, None)
    return done
