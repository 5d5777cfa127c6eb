"""The ASGI application of the servers `web` and `stream`."""

import os
import sys

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "inference_site.settings")

from inference_site.process_needs import refuse
from inference_site.settings import CONFIG

refuse(CONFIG.mistakes)
handler = get_wsgi_application()

from jobs.api import endpoints  # noqa: E402, F401  # these need Django's settings; now, and not in a call
from jobs.api.app import Server  # noqa: E402
from jobs.api.http.counted_calls import CountedCalls  # noqa: E402
from jobs.core.errors import DatabaseTlsError  # noqa: E402
from jobs.db.database_tls import refuse_untrusted_database  # noqa: E402
from jobs.exporting import exporter  # noqa: E402
from models_registry.shared.kept_heap import keep_heap  # noqa: E402

try:
    refuse_untrusted_database()
except DatabaseTlsError as error:
    refuse([str(error)])
# With Python's default of 5 ms, a thread with a bulk call delays short calls by that much at every step.
sys.setswitchinterval(0.0005)
application = CountedCalls(Server(handler))
exporter.serve_in_turn()
# A full collection that looked through what is loaded stopped every call for some 100 ms, each second or two.
keep_heap()
