"""Experiments as rows: started, measured, concluded, reproduced."""
