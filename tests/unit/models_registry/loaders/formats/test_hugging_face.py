"""Pipelines of Hugging Face: images and sounds as files, texts, and what cannot be read."""

from __future__ import annotations

from base64 import b64encode
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from models_registry.core.registry_errors import InvalidInputError, LoadFailedError
from models_registry.core.runner import FileInput, Item, answer, takes_files
from models_registry.loaders.formats.hugging_face import TaskPipeline, load
from models_registry.loaders.loader_options import PipelineOptions
from tests.support.format_specimens import png, sounds, text_labels, vision


def kept(folder: Path, write: Any, task: Any, **options: Any) -> TaskPipeline:
    return load(write(folder / "model"), PipelineOptions(task=task, **options), "cpu")


def wav(seconds: float, rate: int, channels: int = 1) -> bytes:
    samples = np.sin(np.arange(int(seconds * rate)) / rate * 2_000)
    soundfile.write(body := BytesIO(), np.stack([samples] * channels, 1), rate, format="WAV")
    return body.getvalue()


def answers(runner: TaskPipeline, name: str, *values: Any) -> list[Any]:
    return answer(runner, [Item({name: value}) for value in values])


def test_an_image_comes_as_a_file_or_in_base64_and_is_labelled_as_the_pipeline_does(tmp_path: Path) -> None:
    from PIL import Image

    runner = kept(tmp_path, vision, "image-classification", top_k=2)
    assert takes_files(runner)
    file, text = FileInput(png(90), "image/png"), b64encode(png(90)).decode()
    first, second = answers(runner, "image", file, text)
    expected = runner._pipeline(Image.open(BytesIO(png(90))).convert("RGB"), top_k=2)
    assert first == second == {"scores": expected}
    assert {score["label"] for score in expected} < {"cat", "dog", "owl"}
    for bad in (FileInput(b"no image", "image/png"), "%%%", 7, text[:90]):
        with pytest.raises(InvalidInputError, match="image"):
            answers(runner, "image", bad)


def test_a_picture_that_unpacks_to_more_than_memory_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("models_registry.loaders.formats.hugging_face.MOST_PIXELS", 100)
    with pytest.raises(InvalidInputError, match="more than 100 pixels"):
        answers(kept(tmp_path, vision, "image-classification"), "image", FileInput(png(1), "image/png"))


def test_sounds_of_any_rate_and_length_answer_as_they_do_alone(tmp_path: Path) -> None:
    runner = kept(tmp_path, sounds, "audio-classification")
    files = [FileInput(wav(*made), "audio/wav") for made in ((0.3, 16_000), (0.2, 8_000, 2), (0.3, 16_000))]
    together = answers(runner, "audio", *files)
    alone = [answers(runner, "audio", file)[0] for file in files]
    assert together == alone
    assert together[0] == together[2] != together[1]
    samples, _ = runner.collate([Item({"audio": files[1]})])
    assert samples[0].shape == (3_200,)
    for bad in (FileInput(b"no sound", "audio/wav"), FileInput(wav(0, 16_000), "audio/wav"), 1):
        with pytest.raises(InvalidInputError, match="audio"):
            answers(runner, "audio", bad)


def test_texts_of_different_lengths_are_labelled_as_each_is_alone(tmp_path: Path) -> None:
    runner = kept(tmp_path, text_labels, "text-classification", top_k=1)
    texts = "a word", "many more words than that"
    for text, given in zip(texts, answers(runner, "text", *texts), strict=True):
        (expected,) = runner._pipeline(text)
        assert given["scores"][0]["score"] == pytest.approx(expected["score"], abs=1e-5)
    with pytest.raises(InvalidInputError, match="text"):
        answers(runner, "text", "\ud800")


def test_a_directory_without_safetensors_is_refused(tmp_path: Path) -> None:
    (tmp_path / "pytorch_model.bin").write_bytes(b"")
    with pytest.raises(LoadFailedError, match="no directory with safetensors"):
        load(tmp_path, PipelineOptions(), "cpu")
