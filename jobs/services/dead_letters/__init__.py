"""Dead letters: publish, read, edit, replay, discard, purge."""
