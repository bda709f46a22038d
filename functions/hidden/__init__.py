"""Hidden mail as people ask about it; pipeline answers (functions/quarantine/hidden.py)."""
