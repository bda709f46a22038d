"""Authenticate, keep the raw body, normalise, drop repeats, open or join the incident."""
