"""Microsoft Graph: the only place that knows msgraph-sdk (its core and kiota) and Graph's wire format."""
