"""Locate, record, move, verify; and the same engine back."""
