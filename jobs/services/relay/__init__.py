"""The relay: takes due rows of the outbox and publishes them."""
