"""How processes count together: each in files of its own in one folder, those of the dead in one file."""
