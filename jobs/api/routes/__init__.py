"""The calls themselves, one module for each group of addresses."""
