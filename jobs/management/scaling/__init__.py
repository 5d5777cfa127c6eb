"""`manage.py autoscale`: the workers of one host, started and drained by what models need."""
