"""How much of a caller's trace a job keeps."""

MOST_STATE_CHARS = 512  # of a `tracestate`: W3C Trace Context asks for so many; a longer one is left out
MOST_KEPT_CHARS = 55 + 1 + MOST_STATE_CHARS
