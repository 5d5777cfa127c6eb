"""The site: configuration, settings, URLs, Celery application, and the stack that runs it all."""
