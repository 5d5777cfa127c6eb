"""Payloads at rest: large ones as objects in Django's storage `payloads`, encryption, keyed digests."""
