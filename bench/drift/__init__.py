"""Measurement of the drift detectors against those of river and naive rules. `python -m bench.drift`."""
