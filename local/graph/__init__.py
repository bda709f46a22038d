"""A Microsoft 365 tenant that answers as Graph does."""
