"""Calls that wait on the event loop: long-poll and server-sent events, fed by one LISTEN connection."""
