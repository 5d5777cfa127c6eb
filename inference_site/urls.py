"""The site's URL map: the admin, and the API with its health and metrics pages."""

from django.contrib import admin
from django.urls import include, path

urlpatterns = [
    path("admin/", admin.site.urls),
    path("", include("jobs.api.endpoints")),
]
