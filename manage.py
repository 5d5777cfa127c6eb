#!/usr/bin/env python
"""Django's command line for this project; `inference` is the same where the wheel is installed."""

from inference_site.command_line import main

if __name__ == "__main__":
    main()
