"""ClickHouse tables: numbered SQL files, applied in order by sinks/clickhouse_schema.py."""
