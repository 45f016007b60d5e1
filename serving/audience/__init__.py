"""Audiences: people selected by a combination of tags, as of now or of a past time."""
