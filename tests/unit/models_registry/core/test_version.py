from dataclasses import replace

from models_registry.core.version import VersionInfo
from models_registry.models import ModelVersion, RegisteredModel
from tests.support.specimens import version


def test_a_row_becomes_a_value_and_its_queue_is_the_model() -> None:
    row = ModelVersion(
        id=7, model=RegisteredModel(name="minilm"), version="2", padded=True, input_schema={"b": 1}
    )
    info = VersionInfo.of(row)
    assert (info.id, info.queue, str(info), info.padded) == (7, "minilm", "minilm:2", True)
    assert info.input_schema_text == '{"b": 1}'


def test_values_of_equal_rows_are_equal_and_can_be_keys() -> None:
    row = ModelVersion(id=7, model=RegisteredModel(name="minilm"), version="2")
    assert {VersionInfo.of(row)} == {VersionInfo.of(row)}


def test_a_profile_changes_options_and_limits_on_its_own_kind_of_device() -> None:
    profiles = {"cuda": {"max_batch": 64, "dtype": "float16"}, "cpu": {"max_padded_size": 9}}
    info = replace(version("transformer", "a"), options={"compile": True, "profiles": profiles})
    on_gpu, on_cpu = info.on("cuda:0"), info.on("cpu")
    assert (on_gpu.max_batch, on_gpu.max_padded_size) == (64, 0)
    assert (on_gpu.options["dtype"], on_gpu.options["compile"]) == ("float16", True)
    assert (on_cpu.max_batch, on_cpu.max_padded_size, "dtype" in on_cpu.options) == (8, 9, False)
    assert info.on("mps") == info
