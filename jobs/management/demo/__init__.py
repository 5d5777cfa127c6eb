"""The pieces of the demo: real sentences, a small HTTP client, the figures and how they are shown."""
