"""Profiles over HTTP: the client of `serving.async_client`, behind keys."""
