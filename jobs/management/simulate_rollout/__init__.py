"""The parts of `manage.py simulate_rollout`: its options, the runs, what they come to, and the picture."""
