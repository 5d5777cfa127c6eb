"""Django's settings, all derived from one Config."""

import os
import sys
from datetime import timedelta
from pathlib import Path

from csp.constants import NONE, SELF

from inference_site.backends import django_database, django_storages, pin_pooled_sessions
from inference_site.config import Config
from inference_site.config_parts.secret_files import FLOWER_LOGIN, with_files
from inference_site.logs.log_config import SERVICES, logging_config, start_logging
from inference_site.process_needs import NEEDS, process_of

PROCESS = process_of(sys.argv)
if PROCESS not in SERVICES:  # a command: its files would stay until somebody looks at the page
    os.environ.pop("PROMETHEUS_MULTIPROC_DIR", None)
CONFIG = Config.from_env(os.environ, NEEDS[PROCESS])
start_logging(CONFIG, PROCESS)
LOGGING = logging_config(CONFIG, PROCESS)

SECRET_KEY = CONFIG.secret_key  # where it is not set, Django refuses its first use
SECRET_KEY_FALLBACKS = list(CONFIG.secret_key_fallbacks)
DEBUG = CONFIG.debug
ALLOWED_HOSTS = list(CONFIG.allowed_hosts)
ROOT_URLCONF = "inference_site.urls"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
USE_TZ = True
TIME_ZONE = "UTC"
FORMAT_MODULE_PATH = ["inference_site.formats"]
STATIC_URL = "/static/"
STATICFILES_DIRS = [Path(__file__).parent / "static"]  # of the admin: this package is not a Django app
WHITENOISE_USE_FINDERS = True  # files come from the installed packages, listed once at start
WHITENOISE_AUTOREFRESH = DEBUG

INSTALLED_APPS = [
    "inference_site.admin_app.PlatformAdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "ninja",  # has the script of the API's page, so that the page works without the internet
    "axes",  # before `jobs`, whose record of a refused login says whether it was locked out
    "django_otp",
    "django_otp.plugins.otp_totp",
    "django_otp.plugins.otp_static",
    "models_registry",
    "jobs",
]
MIDDLEWARE = [
    "jobs.api.http.origin.OriginMiddleware",  # first, because the audit records the origin of every call
    "jobs.api.http.middleware.ApiMiddleware",  # answers calls of the API, which need none of those below
    "django.middleware.security.SecurityMiddleware",
    "csp.middleware.CSPMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",  # the admin's static files, on any server
    "inference_site.page_refresh.PageRefreshMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "inference_site.session_limits.SessionLimitsMiddleware",
    "django_otp.middleware.OTPMiddleware",
    "inference_site.nul_bytes.NulBytesMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "axes.middleware.AxesMiddleware",  # last: it replaces the answer to a login that is locked out
]
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [Path(__file__).parent / "templates"],  # documents: this package is not a Django app
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
pin_pooled_sessions(CONFIG, os.environ)
DATABASES = {"default": django_database(CONFIG)}

# If the site's address is https, the admin refuses http. The servers themselves speak HTTP: a proxy in front
# ends TLS, and its headers are trusted only if TRUSTED_PROXY_HOPS counts it.
SECURE_SSL_REDIRECT = SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = CONFIG.https
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if CONFIG.trusted_proxy_hops else None
SECURE_HSTS_SECONDS = 365 * 86_400 if CONFIG.https else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = CONFIG.https
SECURE_REFERRER_POLICY = "same-origin"
LOGIN_REDIRECT_URL = "admin:index"  # also where `next` names another site
SESSION_COOKIE_SAMESITE = CSRF_COOKIE_SAMESITE = "Lax"
SESSION_COOKIE_AGE = 12 * 3_600  # `session_limits` ends a session then, and an idle one earlier
X_FRAME_OPTIONS = "DENY"
# Of the admin, no page of which has a script or a style inside. The documents and the API's page have others.
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [NONE],
        "script-src": [SELF],
        "style-src": [SELF],
        "img-src": [SELF, "data:"],
        "font-src": [SELF],
        "connect-src": [SELF],
        "form-action": [SELF],
        "base-uri": [NONE],
        "frame-ancestors": [NONE],
    }
}
AUTHENTICATION_BACKENDS = [
    "axes.backends.AxesStandaloneBackend",  # first: who is locked out is refused before a password is hashed
    "django.contrib.auth.backends.ModelBackend",
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in ("UserAttributeSimilarityValidator", "CommonPasswordValidator", "NumericPasswordValidator")
] + [
    {
        "NAME": "django.contrib.auth.password_validation.MinimumLengthValidator",
        "OPTIONS": {"min_length": 12},
    }
]

# Five wrong passwords of a name from an address lock this pair out for half an hour; `login_lockout` adds a
# limit for the address. A name alone is never locked, or anybody could lock the operators out.
AXES_HANDLER = "inference_site.login_lockout.LoginLockout"
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]
AXES_FAILURE_LIMIT = 5
AXES_COOLOFF_TIME = timedelta(minutes=30)
AXES_RESET_ON_SUCCESS = True
AXES_RESET_COOL_OFF_ON_FAILURE_DURING_LOCKOUT = False  # what a locked out client tries leaves no row
AXES_CLIENT_IP_CALLABLE = "inference_site.login_lockout.address_of_login"
AXES_SENSITIVE_PARAMETERS = ["username", "ip_address", "code", "csrfmiddlewaretoken"]
AXES_DISABLE_ACCESS_LOG = True  # our own audit has the logins
AXES_ENABLE_ADMIN = AXES_VERBOSE = False
OTP_TOTP_ISSUER = "Inference platform"
OTP_ADMIN_HIDE_SENSITIVE_DATA = True

# The limits of the admin's forms; the API has limits of its own.
DATA_UPLOAD_MAX_MEMORY_SIZE = CONFIG.max_body_bytes
STORAGES = django_storages(CONFIG)
DATA_UPLOAD_MAX_NUMBER_FIELDS, DATA_UPLOAD_MAX_NUMBER_FILES = 1_000, 17  # 16 files and the job
INFERENCE = CONFIG
FLOWER_BASIC_AUTH = with_files(os.environ)[0].get(FLOWER_LOGIN, "")  # for its health check
CELERY_APP = "inference_site.celery"
