"""The client's part that reads what rules have shown: A/B tests, cascades and shadows."""
