"""Finds the function with which a version's outputs are compared, and keeps its words out of all errors."""

from __future__ import annotations

from typing import Any

from django.conf import settings

from jobs.worker.quiet import quiet
from models_registry.core.agreement.agree import OwnComparison
from models_registry.core.agreement.option import Agreement
from models_registry.core.registry_errors import AgreementError
from models_registry.loaders.entry_point import find


def own_comparison(agreement: Agreement, *, guarded: bool) -> OwnComparison | None:
    """Return the function that an agreement names; LoaderRefusedError or LoadFailedError where there is none.

    Its exceptions become an AgreementError without their words, which may quote outputs.
    """
    if agreement.by != "entry_point":
        return None
    compare = find(agreement.entry_point, settings.INFERENCE.model_entry_points)

    def own(ours: Any, theirs: Any) -> Any:
        with quiet(on=guarded):
            try:
                return compare(ours, theirs)
            except Exception as error:  # noqa: BLE001  # code of the model's own may raise anything
                name = type(error).__name__
                raise AgreementError(f"{agreement.entry_point} raised {name} at two outputs.") from None

    return own
