"""How much of the outbox is published, in which order, and when it is published again."""
