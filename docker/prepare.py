"""Make what the job expects to find: the topic of every feed, and the tables. Safe to run again."""

from __future__ import annotations

import os

from livetags.embedded import topics
from livetags.runner import prepare_stores
from schemas.settings import Settings
from sources import FEEDS


def main() -> None:
    """Topics from KAFKA_BOOTSTRAP and TOPIC_PARTITIONS, tables from LIVETAGS_CLICKHOUSE_URL."""
    bootstrap, partitions = os.environ["KAFKA_BOOTSTRAP"], int(os.environ["TOPIC_PARTITIONS"])
    for feed in FEEDS.values():
        topics.create_topic(bootstrap, feed.topic, partitions)
        print(f"topic {feed.topic}, {partitions} partitions", flush=True)
    settings = Settings()
    prepare_stores(settings)
    print(f"tables of database {settings.clickhouse_database}", flush=True)


if __name__ == "__main__":
    main()
