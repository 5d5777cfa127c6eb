"""Parsing of submitted jobs, and the files that their inputs refer to."""
