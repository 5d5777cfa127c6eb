"""What the smoke test fetches, and what it expects of a process without settings."""

from __future__ import annotations

import re

from inference_site.stack.services import PROJECT
from tests.smoke_image.images import CUDA


def test_the_wheels_that_are_fetched_are_the_worker_s_without_cuda() -> None:
    whole = (PROJECT / "compose/runtime.lock").read_text()
    names = set(re.findall(r"(?m)^([a-z0-9._-]+)==", whole))
    left = set(re.findall(r"(?m)^([a-z0-9._-]+)==", CUDA.sub("", whole)))
    assert "nvidia-ml-py" in left
    assert names - left == {
        name for name in names if name.startswith(("cuda-", "nvidia-", "triton", "torch"))
    } - {"nvidia-ml-py"}
    assert CUDA.sub("", whole).count("==") == len(left)
