"""The URLs of the site: the admin, the documents, and the API with its health and metrics pages."""

from django.contrib import admin
from django.urls import include, path

from inference_site import documents

admin.site.site_url = "/docs/"  # the target of the admin's link to the site

urlpatterns = [
    path("admin/operations/", include("jobs.api.operations.operations_views")),
    path("admin/", admin.site.urls),
    path("docs/", documents.page, name="documents"),
    path("docs/<slug:name>", documents.page, name="document"),
    path("", include("jobs.api.endpoints")),
]
