"""The source of trigger rules that come by a compacted topic: key the rule's id, value its JSON document."""

from __future__ import annotations

import logging
from collections.abc import Iterator

from pyflink.common import Row, Types
from pyflink.datastream import DataStream, FlatMapFunction
from pyflink.table import StreamTableEnvironment

from jobs.micro_batch import kafka_options
from jobs.operators.reloadable import RULES
from schemas.rule_update import DamagedRules, from_message, pack_rules

_log = logging.getLogger(__name__)


def rule_messages(
    t_env: StreamTableEnvironment, bootstrap: str, topic: str, *, bounded: bool, kafka_properties: dict[str, str]
) -> DataStream:
    """Messages of the topic from its beginning, ``Row(key, value, published_ms)``, for `RuleLog.take_message`.

    A missing key or value is None: a rule is withdrawn by a message without a value. `published_ms` is the broker's
    time of the message, milliseconds since the epoch. The source has one instance, so messages keep their order.
    """
    options = kafka_options(bootstrap, topic, bounded, "earliest-offset", kafka_properties)
    t_env.execute_sql(
        "CREATE TEMPORARY TABLE rule_messages (k STRING, v STRING, "
        f"ts TIMESTAMP_LTZ(3) METADATA FROM 'timestamp' VIRTUAL) WITH ({options}, 'scan.parallelism' = '1')"
    )
    published_ms = "EXTRACT(EPOCH FROM ts) * 1000 + EXTRACT(MILLISECOND FROM ts)"
    return t_env.to_data_stream(t_env.sql_query(f"SELECT k, v, {published_ms} AS published_ms FROM rule_messages"))


class AsUpdates(FlatMapFunction):  # type: ignore[misc]
    """Messages as what `Reloadable` reads, ``Row(of what, packed)``; what is no rule is said and left out."""

    def flat_map(self, value: Row) -> Iterator[Row]:
        """One update for a message."""
        key, document, published_ms = value
        try:
            yield Row(RULES, pack_rules(from_message(key, document, published_ms)))
        except DamagedRules as error:
            _log.error("%s; what is in force stays", error)


def updates_of(messages: DataStream) -> DataStream:
    """The messages of `rule_messages` as updates."""
    return messages.flat_map(AsUpdates(), output_type=Types.ROW([Types.STRING(), Types.STRING()])).uid("rule-messages")
