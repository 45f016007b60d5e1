"""Destinations, one file each. A sink says its guarantee and its idempotency key; `write_batch` returns when done."""
