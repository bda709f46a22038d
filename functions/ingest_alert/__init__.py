"""Authenticate, store raw, normalise, de-duplicate, open or join the incident."""
