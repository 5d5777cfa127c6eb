"""Real ONNX models on real work: silero-vad on made speech, magika on files of the standard library."""

from __future__ import annotations

import os
from importlib.util import find_spec
from math import gcd
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from models_registry.core.plain_output import plain
from models_registry.core.runner import Item, Runner, answer
from models_registry.loaders.integrity import digest
from models_registry.loaders.load import Permissions, load
from tests.support.specimens import version
from tests.support.speech import speech

RATE, WINDOW, CONTEXT = 16_000, 512, 64
WHOLE, HALF = "silero_vad_16k_op15", "silero_vad_half"


def file_of(package: str, path: str) -> Path:
    spec = find_spec(package)
    assert spec is not None
    return Path((spec.submodule_search_locations or [""])[0], path)


def model(package: str, path: str, **options: Any) -> Runner:
    file = file_of(package, path)
    return load(version("onnx", str(file), sha256=digest(file), options=options), "cpu", Permissions())


@pytest.fixture(scope="module")
def windows() -> list[Any]:
    """Half a second of silence, a sentence, and silence again, in windows with their context."""
    from scipy.signal import resample_poly

    samples, own = speech("The quick brown fox jumps over the lazy dog.")
    spoken = resample_poly(samples, RATE // gcd(RATE, own), own // gcd(RATE, own)).astype(np.float32)
    sound = np.concatenate([np.zeros(8_000, "f4"), spoken, np.zeros(8_000, "f4")])
    padded = np.concatenate([np.zeros(CONTEXT, "f4"), sound])
    return [padded[at : at + CONTEXT + WINDOW] for at in range(0, len(sound) - WINDOW, WINDOW)]


def heard(runner: Runner, windows: list[Any], state: Any, **more: Any) -> list[float]:
    """Return the probability of speech in each window, carrying the state from one to the next."""
    scores = []
    for window in windows:
        (output,) = answer(runner, [Item({"input": window.tolist(), "state": state, **more})])
        shown = plain(output)
        state = shown["stateN"]
        scores.append(float(np.ravel(shown["output"])[0]))
    return scores


EMPTY = np.zeros((2, 128)).tolist()


@pytest.mark.parametrize("name", ["silero_vad_op18_ifless", "silero_vad_half"])
def test_both_nets_of_silero_hear_the_sentence(name: str, windows: list[Any]) -> None:
    more = {} if name == HALF else {"sr": RATE}
    spoken = np.array(heard(model("silero_vad", f"data/{name}.onnx"), windows, EMPTY, **more)) > 0.5
    assert spoken[20:-20].mean() > 0.8
    assert not spoken[:10].any()
    assert not spoken[-8:].any()


def test_the_half_net_of_silero_answers_as_its_own_wrapper_and_is_another_net(windows: list[Any]) -> None:
    """Its weights are float32 and have nothing in common with the whole net's: half is not its precision."""
    import onnx
    import torch
    from silero_vad.utils_vad import OnnxWrapper

    own = OnnxWrapper(str(file_of("silero_vad", f"data/{HALF}.onnx")))
    session = own.session  # the wrapper feeds a rate, which this graph does not take
    own.session = SimpleNamespace(
        run=lambda names, feeds: session.run(names, {name: feeds[name] for name in ("input", "state")})
    )
    expected = [float(own(torch.from_numpy(window[CONTEXT:]), RATE)) for window in windows[:40]]
    given = heard(model("silero_vad", f"data/{HALF}.onnx"), windows[:40], EMPTY)
    assert np.allclose(given, expected, atol=1e-5)
    nets = [onnx.load(file_of("silero_vad", f"data/{name}.onnx")) for name in (HALF, WHOLE)]
    half, whole = (
        {w.name.removeprefix("model."): onnx.numpy_helper.to_array(w) for w in net.graph.initializer}
        for net in nets
    )
    name = "encoder.0.reparam_conv.weight"
    assert half[name].dtype == whole[name].dtype == np.float32
    assert abs(np.corrcoef(half[name].ravel(), whole[name].ravel())[0, 1]) < 0.1


def test_silero_equals_its_own_wrapper_and_the_graph_whose_axes_have_no_names(windows: list[Any]) -> None:
    import torch
    from silero_vad.utils_vad import OnnxWrapper

    unnamed = model("silero_vad", "data/silero_vad.onnx")
    own = OnnxWrapper(str(file_of("silero_vad", "data/silero_vad.onnx")))
    expected = [float(own(torch.from_numpy(window[CONTEXT:]), RATE)) for window in windows[:30]]
    state: Any = np.zeros((2, 1, 128)).tolist()
    scores = []
    for window in windows[:30]:  # each of its items has all axes of the graph
        (output,) = answer(unnamed, [Item({"input": [window.tolist()], "state": state, "sr": RATE})])
        state = plain(output)["stateN"]
        scores.append(plain(output)["output"][0][0])
    assert np.allclose(scores, expected, atol=1e-5)


def test_many_sounds_share_a_batch_though_their_state_has_its_items_on_another_axis(
    windows: list[Any],
) -> None:
    half = model("silero_vad", "data/silero_vad_half.onnx")
    items = [Item({"input": window.tolist(), "state": EMPTY}) for window in windows[20:40]]
    assert len({half.key(item) for item in items}) == 1
    many = [plain(output) for output in answer(half, items)]
    alone = [plain(answer(half, [item])[0]) for item in items]
    for one, other in zip(many, alone, strict=True):
        assert np.allclose(one["output"], other["output"], atol=1e-4)
        assert np.shape(one["stateN"]) == (2, 128)


def test_magika_names_files_as_its_own_library_does() -> None:
    from magika import Magika

    runner, own = model("magika", "models/standard_v3_3/model.onnx"), Magika()
    library = Path(os.__file__).parent
    files = [*sorted(library.glob("[a-c]*.py"))[:30], *sorted(library.glob("__pycache__/[a-c]*.pyc"))[:10]]
    features = [own._get_result_or_features_from_path(path)[1] for path in files]
    kept = [(path, found) for path, found in zip(files, features, strict=True) if found is not None]
    items = [Item({"bytes": found.beg + found.end}) for _, found in kept]
    labels = own._model_config.target_labels_space
    given = [labels[int(np.argmax(plain(output)["target_label"]))] for output in answer(runner, items)]
    assert len(kept) > 30
    assert given == [own.identify_path(path).dl.label.value for path, _ in kept]
    assert set(given) == {"python", "pythonbytecode"}


def test_a_second_text_is_spoken_whole() -> None:
    """Begun twice in a process, the library cut each later sentence to 0.7 s: the nets heard nothing."""
    short, rate = speech("Good evening.")
    long, _ = speech("Good evening, and welcome to all of you who have come.")
    assert len(short) / rate > 0.5
    assert len(long) > 2 * len(short)
