"""`manage.py drift`: its arguments and verbs, and months without drift to try the alarm on."""
