"""Stand-ins for Azure services, at the HTTP level. They import nothing of the rest of the project."""
