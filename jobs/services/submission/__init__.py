"""From parsed requests to stored jobs."""
