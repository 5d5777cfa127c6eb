"""Shared by both apps: the root of their errors, checks of JSON values, and read-only admin pages."""
