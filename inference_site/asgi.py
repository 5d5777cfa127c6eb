"""The ASGI application of both servers, `web` and `stream`."""

import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "inference_site.settings")
handler = get_wsgi_application()

from jobs.api.server import Server  # noqa: E402  # its imports need Django set up

application = Server(handler)
