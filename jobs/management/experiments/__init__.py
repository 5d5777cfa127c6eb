"""The parts of `manage.py experiment`: its verbs, the working tree, the platform's settings."""
