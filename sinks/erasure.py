"""Erasing a person from both stores right away, without waiting for the job to come to the request in its log.

The job does the same when it gets there, and until then may go on writing: Redis refuses what doesn't know of the
erasure, and triggers from before it; ClickHouse takes it, and the job's own removal deletes it.
"""

from __future__ import annotations

from functools import partial
from typing import cast

import redis
from clickhouse_connect.driver.client import Client

from schemas.clickhouse import PERSONAL_TABLES
from schemas.outputs import Removal
from schemas.redis_keys import evidence_key, profile_key, trigger_entries_key
from sinks.clickhouse_errors import until_it_passes
from sinks.clickhouse_removal import carry_out
from sinks.hot_functions import TOMBSTONE_MS, HotFunctions
from sinks.removals import Removals
from sinks.trigger_functions import TriggerFunctions


def erase(
    clickhouse: Client,
    database: str,
    redis_client: redis.Redis,
    prefix: str,
    user: str,
    erased_ms: int,
    request: str,
    *,
    give_up_s: float = 30.0,
    tombstone_ms: int = TOMBSTONE_MS,
) -> dict[str, dict[str, int]]:
    """Delete everything held of a pseudonym, and leave the records that it was erased.

    Repeating it deletes what has been written since, and changes nothing when that is nothing.

    Parameters
    ----------
    clickhouse, database, redis_client, prefix
        The stores.
    user
        Pseudonym.
    erased_ms
        Event time of the request: a profile that takes account of it is accepted again.
    request
        Name of the request, for the record.
    give_up_s, tombstone_ms
        Limit of retrying; how long Redis refuses profiles that don't know of the erasure.

    Returns
    -------
    receipt
        Place -> ``{"before": n, "after": n}``: keys in Redis, entries in the stream of triggers, rows in each table
        (repeats of a replay included). After is 0 unless something was written meanwhile.

    Raises
    ------
    SinkGaveUp
        When a store stays away for `give_up_s`; what was deleted until then stays deleted.
    """
    removal = Removal("erase", user, time_ms=erased_ms)
    removals = Removals()
    removals.take(removal)
    hot = HotFunctions(redis_client, prefix, give_up_s)

    def counts() -> dict[str, int]:
        keys = {
            "hot_profile": profile_key(prefix, user),
            "hot_evidence": evidence_key(prefix, user),
        }
        found = {
            place: cast(int, hot.until_it_passes(partial(redis_client.exists, key))) for place, key in keys.items()
        }
        entries = partial(redis_client.llen, trigger_entries_key(prefix, user))
        found["trigger_stream"] = cast(int, hot.until_it_passes(entries))
        for table, columns in PERSONAL_TABLES.items():
            named = " OR ".join(f"{column} = {{user:String}}" for column in columns)
            statement = f"SELECT count() FROM {{database:Identifier}}.{table} WHERE {named}"
            query = partial(clickhouse.query, statement, parameters={"database": database, "user": user})
            found[table] = until_it_passes(give_up_s, query).result_rows[0][0]
        return found

    before = counts()
    # Redis first: from then on nobody reads the profile, and no stale writer brings it back
    hot.remove([removal], tombstone_ms)
    TriggerFunctions(redis_client, prefix, give_up_s).erase([removal], tombstone_ms)
    carry_out(clickhouse, database, removals, give_up_s, request)
    after = counts()
    return {place: {"before": before[place], "after": after[place]} for place in before}
