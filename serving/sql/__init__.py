"""Documented queries over the history: each file runs as it is in clickhouse-client, and from Python by `serving`."""
