"""The ClickHouse history as the rebuild reader asks it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from clickhouse_connect.driver.client import Client

from jobs.operators.rebuild_reader import Key, Rows, key_of
from schemas.outputs import Alarm
from schemas.settings import Settings
from schemas.tag_group import TagGroup
from serving.evidence_since import AlarmKey, Wanted, alarms_written, evidence_since_many
from sinks.clickhouse_client import connect


class RebuildHistory:
    """Questions about alarms, on one connection."""

    def __init__(self, client: Client, database: str, groups: Sequence[str]) -> None:
        self._client = client
        self._database = database
        self._groups = groups

    def written(self, alarms: Sequence[Alarm]) -> set[Key]:
        """Those of the alarms that can be read by now."""
        return set(alarms_written(self._client, self._database, [AlarmKey(*key_of(alarm)) for alarm in alarms]))

    def recent(self, alarms: Sequence[Alarm]) -> dict[Key, Rows]:
        """Evidence folded before each alarm and from after its change; one alarm a user at most."""
        wanted = [Wanted(alarm.user, alarm.since_ms, alarm.seq, alarm.generation) for alarm in alarms]
        found = evidence_since_many(self._client, self._database, wanted, self._groups)
        return {key_of(alarm): found[alarm.user] for alarm in alarms}

    def close(self) -> None:
        """Let the connection go."""
        self._client.close()


def history_of_alarms(settings: Settings, groups: Mapping[str, TagGroup]) -> RebuildHistory:
    """Connect with the worker's own secrets."""
    client = connect(settings.clickhouse_url.get_secret_value(), settings.sink_timeout_s)
    rebuilt = [name for name, group in groups.items() if group.drift]
    return RebuildHistory(client, settings.clickhouse_database, rebuilt)
