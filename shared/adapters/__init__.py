"""The only places that know an SDK."""
