"""Django's command line: `manage.py` in a checkout, the script `inference` where the wheel is installed."""

import os
import sys

from inference_site.stack.beside import use_settings
from models_registry.shared.process_end import end_on_sigterm


def main() -> None:
    """Run the management command that this process's words name."""
    end_on_sigterm()
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "inference_site.settings")
    use_settings(os.environ)
    from django.core.management import execute_from_command_line

    execute_from_command_line(sys.argv)
