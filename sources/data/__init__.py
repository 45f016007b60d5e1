"""Default dictionaries, read by `sources.dictionaries`."""
