"""The parts of `manage.py plan`: the file, what is stored, the table, the chart and the document."""
