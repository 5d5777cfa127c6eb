"""Tokens, the audit log, and who a request speaks for."""
