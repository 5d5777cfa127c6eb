"""The live page, and what of it stands on the admin's index."""
