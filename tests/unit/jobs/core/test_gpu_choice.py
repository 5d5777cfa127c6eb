"""An index counts within what a scheduler left visible; a UUID names a GPU, or a part of one."""

from __future__ import annotations

import pytest

from jobs.core.gpu_choice import GpuChoiceError, gpus_to_try, visible_gpu

UUID, OTHER = "GPU-8932f937-d72c-4106-c12f-20bd9faed9f6", "GPU-11111111-d72c-4106-c12f-20bd9faed9f6"
MIG = "MIG-ea0d2d1c-c5ff-5b5c-b3ad-2b7a8e6a1f0b"


@pytest.mark.parametrize(
    ("asked", "inherited", "shown"),
    [
        ("0", None, "0"),
        ("3", None, "3"),
        ("1", "2,5", "5"),
        (" 0", " 7 ", "7"),
        ("1", f"{UUID}, {MIG}", MIG),
        (UUID, None, UUID),
        (MIG, f"{OTHER},{MIG}", MIG),
        ("GPU-8932", f"{OTHER},{UUID}", UUID),
        (UUID, "GPU-8932", UUID),
        (UUID, "0,1", UUID),
    ],
)
def test_one_gpu_is_shown(asked: str, inherited: str | None, shown: str) -> None:
    assert visible_gpu(asked, inherited) == shown


@pytest.mark.parametrize(
    ("asked", "inherited", "words"),
    [
        ("2", "4,5", "among the 2 of CUDA_VISIBLE_DEVICES=4,5: count from 0"),
        ("0", "", "hides all GPUs: unset it, or use --cpu"),
        ("0", "-1", "hides all GPUs"),
        ("0", "NoDevFiles", "hides all GPUs"),
        ("cuda:0", None, "neither an index .* nor a UUID .*nvidia-smi -L.* nor `auto`"),
        ("-1", None, "neither an index"),
        (UUID, f"{OTHER},{MIG}", "is not among those of CUDA_VISIBLE_DEVICES"),
    ],
)
def test_a_gpu_that_is_not_there_is_refused_with_what_to_do(
    asked: str, inherited: str | None, words: str
) -> None:
    with pytest.raises(GpuChoiceError, match=words):
        visible_gpu(asked, inherited)


@pytest.mark.parametrize(
    ("inherited", "tried"),
    [
        (None, [UUID, OTHER]),
        ("1,0", [OTHER, UUID]),
        (f"{OTHER[:12]}", [OTHER]),
        (MIG, [MIG]),
    ],
)
def test_auto_tries_what_is_visible(inherited: str | None, tried: list[str]) -> None:
    assert gpus_to_try([UUID, OTHER], inherited) == tried


@pytest.mark.parametrize(
    ("uuids", "inherited", "words"),
    [
        ([], None, "shows no GPU"),
        ([UUID], "", "hides all GPUs"),
        ([UUID], "1", "names 1, which is not there"),
    ],
)
def test_auto_without_a_gpu_says_what_to_do(uuids: list[str], inherited: str | None, words: str) -> None:
    with pytest.raises(GpuChoiceError, match=words):
        gpus_to_try(uuids, inherited)
