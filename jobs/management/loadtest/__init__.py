"""The parts of `manage.py loadtest`: options, connections, the open loop, how jobs are followed, reports."""
