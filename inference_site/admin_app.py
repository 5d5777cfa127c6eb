"""Django's admin with our own site, which asks for a second factor."""

from django.contrib.admin.apps import AdminConfig


class PlatformAdminConfig(AdminConfig):
    """The admin app of INSTALLED_APPS."""

    default_site = "inference_site.admin_site.PlatformAdminSite"
