"""Runtimes the project can start on one machine, with nothing installed: Java, Kafka, Redis, ClickHouse."""
