"""A/B tests: what clients say of answers, and what a test has shown so far."""
