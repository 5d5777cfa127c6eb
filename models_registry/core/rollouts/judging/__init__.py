"""What the judge knows of a roll-out, what it may do, and the words for it."""
