"""The `clawback` command."""
