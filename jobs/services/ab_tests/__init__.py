"""A/B tests: feedback is stored, and a rule's report is read."""
