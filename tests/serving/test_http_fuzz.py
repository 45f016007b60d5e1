"""The API fuzzed from its own description: no server error, and every answer as described."""

from __future__ import annotations

import secrets
import subprocess
import sys
import time
from pathlib import Path

import pytest
from api_process import running_api
from fold_into_stores import history_of

from livetags.api_key_file import write_api_keys
from schemas.outputs import HotProfile, Removal
from serving.http.api_keys import new_key
from sinks.clickhouse_history import ClickHouseHistorySink
from sinks.redis_hot import RedisHotSink
from udfs.profile.snapshot import version_of
from udfs.tags import GROUPS

pytestmark = pytest.mark.stores

AS_OF_MS = time.time_ns() // 1_000_000 - 86_400_000
EXPIRES_MS = 4_102_444_800_000
SEEDS = (1, 2, secrets.randbelow(2**31))
MAX_S = 30

# A schema says what a request looks like, not who is known, what a key may read, or which times are past.
CONFIG = """
[checks]
positive_data_acceptance.expected-statuses = [200, 403, 404, 410]

[[operations]]
include-path = "/v1/profiles/{user}/as-of"
checks.positive_data_acceptance.expected-statuses = [200, 403, 410, 422]
"""


@pytest.fixture
def filled(valkey: str, prefix: str, clickhouse: str, database: str) -> None:
    """The person of the description's examples, and one who was erased."""
    sink = RedisHotSink(valkey, prefix, 5.0, 10.0)
    sink.open({group.name: group.half_life_ms for group in GROUPS.values()}, GROUPS.values())
    weights = {"content:property": 8.0, "app:a/b": 2.0, "flow_mb:all": 1.0}
    numeric = {"flow_mb:all.mean": 7.5, "flow_mb:all.std": 0.5}
    sink.write_batch(
        [
            HotProfile(
                user,
                version_of(0, 3),
                AS_OF_MS,
                EXPIRES_MS,
                weights | numeric,
                {"app": 1.0},
                dict.fromkeys(weights, AS_OF_MS),
            )
            for user in ("p.AbCdEfGhIjKlMnOpQrSt", "0")
        ]
    )
    sink.remove([Removal("erase", "A", time_ms=AS_OF_MS)])
    sink.close()
    history = ClickHouseHistorySink(clickhouse, database, "run", 5.0, 20.0)
    history.write_batch(
        [history_of([("dpi", "p.AbCdEfGhIjKlMnOpQrSt", "content:property", 1_733_011_200_000, 5, 1.0)])]
    )
    history.close()


@pytest.mark.parametrize("seed", SEEDS, ids=["seed 1", "seed 2", "a random seed"])
def test_no_request_gets_what_is_not_described(
    filled: None, valkey: str, prefix: str, clickhouse: str, database: str, tmp_path: Path, seed: int
) -> None:
    token, key = new_key("fuzz", ("profiling",), 1e9, "", sensitive=True)
    write_api_keys(tmp_path / "keys.json", [key])
    (tmp_path / "schemathesis.toml").write_text(CONFIG)
    with running_api(
        tmp_path,
        redis_url=valkey,
        redis_key_prefix=prefix,
        clickhouse_url=clickhouse,
        clickhouse_database=database,
        api_keys_file=str(tmp_path / "keys.json"),
    ) as url:
        done = subprocess.run(
            [
                *(str(Path(sys.executable).with_name("schemathesis")), "--config-file", "schemathesis.toml"),
                *("run", f"{url}/openapi.json", "--header", f"Authorization: Bearer {token}"),
                *("--seed", str(seed), "--max-examples", "40", "--max-time", str(MAX_S), "--workers", "1"),
                *("--request-timeout", "10", "--no-color", "--continue-on-failure", "--generation-database", "none"),
            ],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=MAX_S + 120,
        )
    assert done.returncode == 0, f"seed {seed}\n{done.stdout}\n{done.stderr}"
    log = (tmp_path / "api.log").read_text()
    assert "Traceback" not in log
    assert "defect" not in log
