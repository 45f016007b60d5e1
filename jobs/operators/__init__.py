"""Operators: read state, call the pure logic, write state, emit. One per file."""
