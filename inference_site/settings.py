"""Django's settings, all of them derived from one Config."""

import os

from inference_site.config import DATABASE_OPTIONS, Config, django_database

CONFIG = Config.from_env(os.environ)

SECRET_KEY = CONFIG.secret_key or "not-set: `manage.py check` says so"
DEBUG = CONFIG.debug
ALLOWED_HOSTS = list(CONFIG.allowed_hosts)
ROOT_URLCONF = "inference_site.urls"
WSGI_APPLICATION = "inference_site.wsgi.application"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
USE_TZ = True
TIME_ZONE = "UTC"
STATIC_URL = "/static/"
WHITENOISE_USE_FINDERS = True  # read once, at start, from the installed packages: nothing is collected
WHITENOISE_AUTOREFRESH = DEBUG

INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "ninja",  # brings the documentation page's own script, so that it works without the internet
    "models_registry",
    "jobs",
]
MIDDLEWARE = [
    "jobs.api.middleware.ApiMiddleware",  # first: the API needs none of those below
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",  # the admin's own files, from any server
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]
DATABASES = {"default": django_database(CONFIG.database_url, DATABASE_OPTIONS) | {"CONN_MAX_AGE": None}}

# The API reads its own bodies against its own limits; this one guards the admin's forms.
DATA_UPLOAD_MAX_MEMORY_SIZE = CONFIG.max_body_bytes
INFERENCE = CONFIG
CELERY_APP = "inference_site.celery"
