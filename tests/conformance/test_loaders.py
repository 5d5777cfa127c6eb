"""The contract of every loader, for any framework."""

import json
import random
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from models_registry.core.plain_output import plain
from models_registry.core.registry_errors import ArtifactMismatchError, InvalidInputError
from models_registry.core.runner import Item, Runner, Weighed, answer
from models_registry.loaders.load import Permissions, load
from tests.support.specimens import SPECIMENS, Specimen

ALLOWED = Permissions(torch_programs=True)
PLAIN_ECHOES = {"echo", "sleeper", "faulty", "stepper"}
FILES = sorted(set(SPECIMENS) - PLAIN_ECHOES)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("artifacts")


@pytest.fixture(scope="module", params=sorted(SPECIMENS))
def specimen(request: pytest.FixtureRequest, folder: Path) -> Specimen:
    return SPECIMENS[request.param](folder)


@pytest.fixture(scope="module")
def runner(specimen: Specimen) -> Runner:
    return load(specimen.version, "cpu", ALLOWED)


def values(outputs: list[Any]) -> list[Any]:
    return [plain(output) for output in outputs]


def numbers(value: Any) -> Iterator[float]:
    if isinstance(value, (dict, list)):
        for child in value.values() if isinstance(value, dict) else value:
            yield from numbers(child)
    else:
        yield value


def same(one: Any, other: Any) -> bool:
    return list(numbers(plain(one))) == pytest.approx(list(numbers(plain(other))), abs=1e-5)


def test_there_is_one_output_for_each_input(runner: Runner, specimen: Specimen) -> None:
    for size in (1, 2, len(specimen.inputs)):
        assert len(answer(runner, [Item(value) for value in specimen.inputs[:size]])) == size


def test_outputs_are_in_the_order_of_the_inputs(runner: Runner, specimen: Specimen) -> None:
    forward = answer(runner, [Item(value) for value in specimen.inputs])
    backward = answer(runner, [Item(value) for value in reversed(specimen.inputs)])
    assert all(same(one, other) for one, other in zip(forward, reversed(backward), strict=True))
    assert not same(forward[0], forward[-1])


def test_an_item_alone_answers_as_it_does_among_many(runner: Runner, specimen: Specimen) -> None:
    many = answer(runner, [Item(value) for value in specimen.inputs])
    alone = [answer(runner, [Item(value)])[0] for value in specimen.inputs]
    assert all(same(one, other) for one, other in zip(alone, many, strict=True))


def test_outputs_are_json(runner: Runner, specimen: Specimen) -> None:
    outputs = values(answer(runner, [Item(value) for value in specimen.inputs]))
    assert json.loads(json.dumps(outputs, allow_nan=False)) == outputs


def test_inputs_of_one_kind_may_share_a_batch(runner: Runner, specimen: Specimen) -> None:
    assert len({runner.key(Item(value)) for value in specimen.inputs}) == 1


def test_two_batches_may_overlap(runner: Runner, specimen: Specimen) -> None:
    first, second = ([Item(value)] for value in specimen.inputs[:2])
    one, other = runner.collate(first), runner.collate(second)
    raw = [runner.run(one), runner.run(other)]
    outputs = [runner.outputs(batch)[0] for batch in raw]
    assert same(outputs, [answer(runner, first)[0], answer(runner, second)[0]])


def test_many_threads_may_use_a_runner_at_once(runner: Runner, specimen: Specimen) -> None:
    expected = answer(runner, [Item(value) for value in specimen.inputs])

    def again(places: list[int]) -> bool:
        outputs = answer(runner, [Item(specimen.inputs[place]) for place in places])
        return all(same(output, expected[place]) for output, place in zip(outputs, places, strict=True))

    places = range(len(expected))
    orders = [random.Random(n).sample(places, 1 + n % len(places)) for n in range(40)]
    with ThreadPoolExecutor(8) as threads:
        assert all(threads.map(again, orders))


def test_a_model_with_weights_reports_its_memory(runner: Runner, specimen: Specimen) -> None:
    if specimen.version.loader == "entry_point":
        assert not isinstance(runner, Weighed)
        return
    assert isinstance(runner, Weighed)
    # A float32 file holds little beside its weights.
    path = Path(specimen.version.artifact)
    file = path / "model.safetensors" if path.is_dir() else path
    assert 0 < runner.memory_bytes() <= file.stat().st_size + 4_096


@cache
def _specimen(name: str, folder: Path) -> Specimen:
    (folder / "of_files").mkdir(exist_ok=True)
    return SPECIMENS[name](folder / "of_files")


@pytest.mark.parametrize("name", FILES)
def test_an_artifact_whose_hash_differs_is_not_loaded(name: str, folder: Path) -> None:
    version = _specimen(name, folder).version
    with pytest.raises(ArtifactMismatchError, match="not 0000"):
        load(replace(version, sha256="0" * 64), "cpu", ALLOWED)


@pytest.mark.parametrize("name", FILES)
def test_an_artifact_without_a_hash_is_not_loaded(name: str, folder: Path) -> None:
    with pytest.raises(ArtifactMismatchError, match="No hash"):
        load(replace(_specimen(name, folder).version, sha256=""), "cpu", ALLOWED)


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize(
    "value", [{}, [], None, "x", {"data": "x"}, {"text": 1}, {"text": "\ud800"}, {"data": [[1], [2, 3]]}]
)
def test_an_input_of_the_wrong_form_is_invalid_and_does_not_break_the_key(
    name: str, value: Any, folder: Path
) -> None:
    runner = _runner(name, folder)
    runner.key(Item(value))
    with pytest.raises(InvalidInputError):
        runner.collate([Item(value)])


@cache
def _runner(name: str, folder: Path) -> Runner:
    return load(_specimen(name, folder).version, "cpu", ALLOWED)
