"""What travels through the broker: versioned envelopes of ids, never payloads."""
