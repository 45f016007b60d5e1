"""Topics of the feeds: seeing that those a job reads are there, and making those that are not."""

from __future__ import annotations

from collections import defaultdict

from livetags.embedded import topics
from livetags.inputs import KAFKA_SCHEME, Input
from sources import FEEDS


def make_topics(bootstrap: str, partitions: int) -> None:
    """Make the topic of every feed that is not there, so that a job with all feeds finds what it reads.

    Raises
    ------
    TopicError
        When the broker is away or refuses one.
    """
    for name in topics.missing(bootstrap, [feed.topic for feed in FEEDS.values()]):
        topics.create_topic(bootstrap, name, partitions)


def refuse_missing_topics(inputs: list[Input]) -> None:
    """See that every topic of the inputs is there: Flink waits a minute and a half and then names none.

    Raises
    ------
    TopicError
        Naming all that are missing, or saying that the broker is away.
    """
    by_broker: dict[str, list[str]] = defaultdict(list)
    for source in inputs:
        if source.bootstrap:
            by_broker[source.bootstrap].append(source.topic)
    for bootstrap, names in by_broker.items():
        if absent := topics.missing(bootstrap, names):
            msg = (
                f"no topic {', '.join(absent)} at {bootstrap}: a job needs the topic of every feed that it reads, an "
                f"empty one too. `livetags publish FOLDER --to {KAFKA_SCHEME}{bootstrap}` makes those of all feeds; or "
                "make them with Kafka's own tools, or read one feed with --feed NAME"
            )
            raise topics.TopicError(msg)
