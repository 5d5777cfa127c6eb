"""A model as a folder: `model.py` with a class that has `run`, and the modules and files beside it."""
