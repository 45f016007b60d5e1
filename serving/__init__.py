"""The readers: hot profiles from Redis, history from ClickHouse."""
