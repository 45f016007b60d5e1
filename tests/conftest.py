"""Stores for the tests that need them: one process each per session, a fresh corner of it per test."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

import pytest
from clickhouse_connect.driver.client import Client
from store_servers import ClickHouseServer, StoreServer, ValkeyServer, redis7_program

from schemas.settings import Settings
from sinks.clickhouse_client import connect
from sinks.clickhouse_schema import migrate, publish_groups
from udfs.tags import GROUPS


def _running(server: StoreServer) -> Iterator[str]:
    try:
        server.start()
        yield server.url
    finally:
        server.stop()


@pytest.fixture(scope="session")
def valkey(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """URL of a Valkey 9."""
    yield from _running(ValkeyServer(tmp_path_factory.mktemp("valkey"), "valkey"))


@pytest.fixture(scope="session")
def redis7_server(tmp_path_factory: pytest.TempPathFactory) -> type[ValkeyServer]:
    """Class of servers that run Redis 7.0, the oldest one supported."""
    try:
        program = redis7_program()
    except RuntimeError as error:
        pytest.skip(f"no Redis 7.0 on this machine: {error}")
    return type("Redis7Server", (ValkeyServer,), {"program": program})


@pytest.fixture(scope="session")
def redis7(tmp_path_factory: pytest.TempPathFactory, redis7_server: type[ValkeyServer]) -> Iterator[str]:
    """URL of a Redis 7.0."""
    yield from _running(redis7_server(tmp_path_factory.mktemp("redis7"), "redis7"))


@pytest.fixture(scope="session")
def clickhouse(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """URL of the embedded ClickHouse."""
    yield from _running(ClickHouseServer(tmp_path_factory.mktemp("clickhouse"), "clickhouse"))


@pytest.fixture
def prefix() -> str:
    """A key prefix that no other test uses."""
    return f"t{uuid.uuid4().hex[:8]}"


@pytest.fixture
def clickhouse_client(clickhouse: str) -> Iterator[Client]:
    client = connect(clickhouse, 5.0)
    yield client
    client.close()


@pytest.fixture
def database(clickhouse_client: Client) -> Iterator[str]:
    """A migrated database of this test alone, with the tag groups published."""
    name = f"t{uuid.uuid4().hex[:8]}"
    migrate(clickhouse_client, name)
    half_lives_ms = {group: rule.half_life_ms for group, rule in Settings().rules(GROUPS).groups.items()}
    publish_groups(clickhouse_client, name, GROUPS, half_lives_ms)
    yield name
    clickhouse_client.command("DROP DATABASE {database:Identifier}", parameters={"database": name})


@pytest.fixture(scope="module")
def bootstrap(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A real KRaft broker of the module's own, as host:port."""
    from livetags.embedded import jars, java
    from livetags.embedded.kafka_broker import KafkaBroker

    with KafkaBroker(
        tmp_path_factory.mktemp("kafka"), java.java_home(), jars.fetch("kafka-broker", jars.DEFAULT_FOLDER)
    ) as broker:
        yield broker.bootstrap
