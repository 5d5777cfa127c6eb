"""What `manage.py simulate` is made of: its options, where jobs come from, the table and the curves."""
