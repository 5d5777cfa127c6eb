"""The life of a job after it was stored: claim, settle, release, reap, cancel, replay, bury."""
