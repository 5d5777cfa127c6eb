"""Pipelines of Hugging Face: images and sounds as files, texts, and what cannot be read."""

from __future__ import annotations

from base64 import b64encode
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from pathlib import Path
from threading import Barrier, Event, Lock
from typing import Any

import numpy as np
import pytest
import soundfile

from models_registry.core.plain_output import plain
from models_registry.core.registry_errors import InvalidInputError, LoadFailedError
from models_registry.core.runner import FileInput, Item, answer, takes_files
from models_registry.loaders.formats.hugging_face import TaskPipeline, load
from models_registry.loaders.loader_options import PipelineOptions
from tests.support.format_specimens import entailment, png, sounds, text_labels, token_labels, vision


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


def test_the_words_of_a_text_are_labelled_as_the_pipeline_does(tmp_path: Path) -> None:
    runner = kept(tmp_path, token_labels, "token-classification", aggregation="none")
    texts = "Ada met Bob in Paris", "", "no names"
    given = [plain(output) for output in answers(runner, "text", *texts)]
    assert [list(one) for one in given] == [["entities"]] * 3
    for text, one in zip(texts, given, strict=True):
        expected = [plain(entity) for entity in runner._pipeline(text)] if text else []
        assert [entity["word"] for entity in one["entities"]] == [entity["word"] for entity in expected]
        for entity, other in zip(one["entities"], expected, strict=True):
            assert entity["score"] == pytest.approx(other["score"], abs=1e-5)
    assert {entity["entity"] for one in given for entity in one["entities"]} <= {"PER", "LOC"}
    (whole,) = answers(kept(tmp_path, token_labels, "token-classification"), "text", texts[0])
    assert {"entity_group", "score", "word", "start", "end"} == set(plain(whole)["entities"][0])


def test_zero_shot_scores_the_labels_of_its_batch(tmp_path: Path) -> None:
    runner = kept(tmp_path, entailment, "zero-shot-classification")
    labels = ["sport", "politics", "art"]
    items = [Item({"text": text, "labels": labels}) for text in ("a goal", "many votes were counted")]
    assert runner.key(items[0]) != runner.key(Item({"text": "a goal", "labels": labels[:2]}))
    for item, given in zip(items, answer(runner, items), strict=True):
        expected = runner._pipeline(item.input["text"], candidate_labels=labels)
        shown = {score["label"]: score["score"] for score in given["scores"]}
        assert shown == pytest.approx(
            dict(zip(expected["labels"], expected["scores"], strict=True)), abs=1e-5
        )
        assert sum(shown.values()) == pytest.approx(1)
    for text, bad in (("", labels), ("a", []), ("a", "sport"), ("a", [""]), ("a", ["\ud800"]), ("a", None)):
        with pytest.raises(InvalidInputError, match=r"labels|text"):
            answer(runner, [Item({"text": text, "labels": bad})])


@pytest.mark.parametrize("task", ["text-classification", "zero-shot-classification"])
def test_threads_share_the_tokenizer_and_run_at_once(
    task: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runner = kept(tmp_path, text_labels if task == "text-classification" else entailment, task)
    values = [{"text": "word " * n, "labels": ["a", "b"]} for n in range(1, 9)]
    alone = [answer(runner, [Item(value)]) for value in values]
    kind, one, encode = type(runner._pipeline.tokenizer), Lock(), runner._pipeline.tokenizer._encode_plus

    def counted(_: Any, *given: Any, **more: Any) -> Any:
        assert one.acquire(blocking=False), "two threads use the tokenizer"
        Event().wait(0.005)  # so that another thread would come in
        made = encode(*given, **more)
        one.release()
        return made

    monkeypatch.setattr(kind, "_encode_plus", counted)
    with ThreadPoolExecutor(6) as pool:
        together = list(pool.map(lambda value: answer(runner, [Item(value)]), values * 2))
    assert [shown(output) for output in together] == [pytest.approx(shown(output)) for output in alone] * 2
    both, forward = Barrier(2, timeout=20), runner._pipeline.forward

    def meeting(*given: Any, **more: Any) -> Any:
        both.wait()
        return forward(*given, **more)

    monkeypatch.setattr(runner._pipeline, "forward", meeting)
    with ThreadPoolExecutor(2) as pool:
        assert len(list(pool.map(lambda value: answer(runner, [Item(value)]), values[:2]))) == 2


def shown(outputs: list[Any]) -> dict[str, float]:
    return {score["label"]: score["score"] for score in outputs[0]["scores"]}


def test_a_directory_without_safetensors_is_refused(tmp_path: Path) -> None:
    (tmp_path / "pytorch_model.bin").write_bytes(b"")
    with pytest.raises(LoadFailedError, match="no directory with safetensors"):
        load(tmp_path, PipelineOptions(), "cpu")
