"""The health check as people ask for it: what web finds, and what the message's stops have said so far."""
