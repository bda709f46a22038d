"""The HTTP API for cases: reads and commands."""
