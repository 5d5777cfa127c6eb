"""What `render.py` consists of; it needs Python's standard library and the program `openssl`."""
