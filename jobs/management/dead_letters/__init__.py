"""The parts of `manage.py dead_letters`."""
