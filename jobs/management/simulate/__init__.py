"""The parts of `manage.py simulate`: its options, the sources of jobs, the table and the curves."""
