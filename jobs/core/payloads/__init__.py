"""Payloads at rest: pointers to stored objects, encryption, digests, sealed words."""
