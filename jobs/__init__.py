"""The Flink code, and the only one: jobs, their operators, and the micro-batch."""
