"""The contracts: wire messages, events, state, outputs, settings and tables. Imports nothing else of ours."""
