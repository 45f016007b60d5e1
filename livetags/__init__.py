"""The command and the embedded default: everything a person types, and the stores that run on one machine."""
