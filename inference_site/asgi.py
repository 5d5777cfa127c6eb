"""The ASGI application of both servers, `web` and `stream`."""

import os
import sys

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "inference_site.settings")
handler = get_wsgi_application()

from jobs.api.app import Server  # noqa: E402  # its imports need Django set up

# At Python's 5 ms a thread with a bulk call in hand keeps short ones waiting so long at every step they take.
sys.setswitchinterval(0.0005)
application = Server(handler)
