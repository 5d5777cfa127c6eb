"""The messages of the broker: versioned envelopes of ids, never payloads."""
