#!/usr/bin/env python
"""Django's command line for this project."""

import os
import sys

from inference_site.stack.beside import use_settings
from models_registry.shared.process_end import end_on_sigterm

if __name__ == "__main__":
    end_on_sigterm()
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "inference_site.settings")
    use_settings(os.environ)
    from django.core.management import execute_from_command_line

    execute_from_command_line(sys.argv)
