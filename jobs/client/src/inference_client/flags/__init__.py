"""Flags: the calls, their answers as values, and the clients for threads and for asyncio."""
