"""The data of the operators' live page: a reading each second for all who watch, and the history."""
