"""The operators' live page: who records the last hour and day, and what a page reads."""
