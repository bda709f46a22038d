"""Azure Cosmos DB: the only place that knows azure-cosmos."""
