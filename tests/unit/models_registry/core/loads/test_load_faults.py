"""What is said of a version that cannot be loaded, and whether memory was what it lacked."""

import pytest

from models_registry.core.loads.load_faults import ran_out
from models_registry.core.registry_errors import LoadFailedError


class OutOfMemoryError(RuntimeError):
    """Stands in for torch's."""


@pytest.mark.parametrize(
    ("cause", "lacked"), [(OutOfMemoryError("CUDA"), True), (MemoryError(), True), (OSError("disk"), False)]
)
def test_the_cause_of_a_failed_load_tells_whether_memory_ran_out(cause: Exception, *, lacked: bool) -> None:
    with pytest.raises(LoadFailedError) as caught:
        raise LoadFailedError("the version cannot be loaded") from cause
    assert ran_out(caught.value) is lacked
