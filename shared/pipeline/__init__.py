"""What every stage runs in: the runner, envelopes and payloads of queue messages, triggers, telemetry events."""
