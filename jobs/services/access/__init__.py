"""Tokens, the audit log, and the client behind a request."""
