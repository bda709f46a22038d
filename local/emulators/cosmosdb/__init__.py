"""Cosmos DB on one machine: the REST API that azure-cosmos speaks, over SQLite.

One account, one region, Strong consistency, and one physical partition per container: every query is
answered whole by the server, so a client has nothing to merge. Whatever is not built here is refused with a 400
that names it.
"""
