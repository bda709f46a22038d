"""The Cosmos DB REST API over SQLite."""
