"""Lets a process of a test be on another host: with this folder on PYTHONPATH, by the variable FAKE_HOST."""

import os
import socket

if os.environ.get("FAKE_HOST"):
    socket.gethostname = lambda: os.environ["FAKE_HOST"]
