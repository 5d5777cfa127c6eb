from models_registry.core.version import VersionInfo
from models_registry.models import ModelVersion, RegisteredModel


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
