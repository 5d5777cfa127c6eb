"""The ASGI application: calls that wait, and all others too."""

import os

from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "inference_site.settings")
django_application = get_asgi_application()

from jobs.api.stream import StreamApp  # noqa: E402  # its imports need Django set up

application = StreamApp(django_application)  # type: ignore[arg-type]  # it takes dicts where ASGI says mappings
