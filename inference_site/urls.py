"""The URLs of the site: the admin, the documents, and the API with its health and metrics pages."""

from django.contrib import admin
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import include, path
from django.views.decorators.http import require_safe

from inference_site import documents
from jobs.admin.rights import may_watch

admin.site.site_url = "/docs/"  # the target of the admin's link to the site


@require_safe
def root(request: HttpRequest) -> HttpResponse:
    """Lead operators to the live page and other users of the admin to its index; others get 404."""
    if not admin.site.has_permission(request):
        raise Http404
    return redirect("admin:operations" if may_watch(request) else "admin:index")


urlpatterns = [
    path("", root),
    path("admin/operations/", include("jobs.api.operations.operations_views")),
    path("admin/", admin.site.urls),
    path("docs/", documents.page, name="documents"),
    path("docs/<slug:name>", documents.page, name="document"),
    path("", include("jobs.api.endpoints")),
]
