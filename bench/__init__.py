"""Measurements of the engine: rates against other ways of doing the same, and latency. `python -m bench.engine`."""
