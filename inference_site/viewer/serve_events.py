"""Flower without a database, keys, or a way to act.

`python -m inference_site.viewer.serve_events --port=5555` takes Flower's own options and its variables
FLOWER_…, but reads no flowerconfig.py, which is code.
"""

import atexit
import gc
import os
import signal
import sys

from models_registry.shared.process_end import end_after_main, end_on_sigterm

end_on_sigterm()

from flower import command  # noqa: E402
from flower.urls import settings as page_settings  # noqa: E402
from tornado.options import options, parse_command_line  # noqa: E402

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "inference_site.settings")

from inference_site.config_parts.secret_files import FLOWER_LOGIN, with_files  # noqa: E402
from inference_site.process_needs import refuse  # noqa: E402
from inference_site.settings import CONFIG  # noqa: E402
from inference_site.viewer.event_viewer import EventViewer, viewing_app  # noqa: E402
from inference_site.viewer.management_api import ManagementApi  # noqa: E402
from jobs.broker.connection import refuse_untrusted  # noqa: E402
from jobs.core.errors import BrokerTlsError  # noqa: E402
from jobs.exporting import exporter  # noqa: E402
from jobs.exporting.build_info import show_build  # noqa: E402

LAST_S = 4.0  # its threads ask the broker, which may never answer


def main(argv: list[str]) -> None:
    """Serve the pages until SIGTERM."""
    refuse(CONFIG.mistakes)
    try:
        refuse_untrusted(CONFIG.broker_url)
    except BrokerTlsError as error:
        refuse([str(error)])
    end_after_main(LAST_S)
    # Tasks are kept by the ten thousand and hold no cycles: to look through them at each burst cost half as
    # much again as the events.
    gc.set_threshold(50_000, 20, 50)
    options.logging = None  # Tornado would change the root's level; ours are set
    command.apply_env_options()
    parse_command_line(argv)
    if login := with_files(os.environ)[0].get(FLOWER_LOGIN):
        options.basic_auth = login.split(",")
    options.read_only, options.enable_events, options.persistent = True, False, False
    command.extract_settings()
    command.setup_logging()
    broker = ManagementApi.of(CONFIG.rabbitmq_management_url, CONFIG.broker_url, CONFIG.broker_ca_file)
    viewer = EventViewer(capp=viewing_app(CONFIG.broker_url), options=options, broker=broker, **page_settings)
    atexit.register(viewer.stop)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    show_build()
    exporter.serve()
    viewer.start_http_server()
    viewer.start()


if __name__ == "__main__":
    try:
        main(sys.argv)
    except KeyboardInterrupt:
        sys.exit(0)
