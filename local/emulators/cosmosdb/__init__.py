"""Cosmos DB on one machine: the REST API that azure-cosmos and @azure/cosmos speak, over SQLite.

One account, one region, Strong consistency, and four physical partitions (partition key ranges) per container, so that
clients merge what the ranges answer, as they do with the service. Whatever is not built here is refused with a 400 that
names it. `make conformance` runs Microsoft's clients against it and prints what is refused or different.
"""
