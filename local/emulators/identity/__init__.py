"""The managed identity endpoint of the local cloud."""
