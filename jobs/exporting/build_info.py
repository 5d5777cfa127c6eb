"""The release on every process's page of metrics, also on that of Flower, which is no Django site."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version
from platform import python_version

from jobs import metrics


def show_build() -> None:
    """Set the gauge of the release and the Python that this process runs."""
    try:
        release = version("inference-platform")
    except PackageNotFoundError:
        release = "source"  # it runs from its folder, not installed
    metrics.BUILD.labels(release, python_version()).set(1)
