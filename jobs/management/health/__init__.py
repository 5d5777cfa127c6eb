"""What `manage.py health` asks of each process."""
