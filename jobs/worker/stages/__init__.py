"""The stages of a batch: buffer, claim, execute, settle."""
