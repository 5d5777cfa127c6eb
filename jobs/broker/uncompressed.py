"""Refuses compressed messages: a megabyte of them can be a gigabyte in memory, and ends each worker in turn.

kombu unpacks a message as its header `compression` says, before any code of ours sees it, and whoever may
publish writes the headers. No message here is compressed.
"""

from __future__ import annotations

from kombu import compression


class CompressedMessageError(ValueError):
    """A message is compressed."""


def refuse_compressed() -> None:
    """Have this process unpack nothing; such a message's error is raised where it is decoded."""
    for kind in compression.encoders():
        compression.register(_refuse, _refuse, kind)


def _refuse(_body: bytes) -> bytes:
    raise CompressedMessageError("the message is compressed")
