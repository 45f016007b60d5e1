"""The two stages of the flow, without an engine: the door, keyed by identifier, and the people, keyed by person.

The Flink operators wrap them, and so do the tests and the assessment against the city's truth.
"""
