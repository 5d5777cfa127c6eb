"""The parts of `manage.py tune`: its options, what it simulates, processes, the report and its picture."""
