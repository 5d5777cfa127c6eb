"""The parts of `manage.py simulate`: its options, the source of jobs, the table and the curves."""
