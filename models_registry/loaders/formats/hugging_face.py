"""Hugging Face pipelines: a directory of safetensors and what prepares its inputs; no code or pickle from it.

Texts come as `{"text": …}`. Images and sounds come as `{"image": file}` and `{"audio": file}`: an uploaded
file, or its bytes in base64.
"""

from __future__ import annotations

import os
from base64 import b64decode
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from importlib import import_module
from inspect import isgeneratorfunction
from pathlib import Path
from threading import Lock
from typing import Any, TypeGuard

# Read when the hub's client is imported: models come from this disk, and nothing is downloaded.
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

import numpy as np

from models_registry.core.registry_errors import InvalidInputError, LoadFailedError
from models_registry.core.runner import FileInput, Item
from models_registry.loaders.formats.media_files import picture, sound
from models_registry.loaders.loader_options import PipelineOptions
from models_registry.loaders.memory import weight_bytes

SCORES = "scores"


class TaskPipeline:
    """Answers a text, image or sound by `{"scores": [{"label": …, "score": …}, …]}`, or by its entities."""

    takes_files = True

    def __init__(self, pipeline: Any, options: PipelineOptions) -> None:
        self._pipeline, self._options = pipeline, options
        if getattr(pipeline, "tokenizer", None) is not None:
            pipeline.preprocess = _one_at_a_time(pipeline.preprocess)
        self._input, self._read = INPUTS[options.task]
        self._rate = getattr(getattr(pipeline, "feature_extractor", None), "sampling_rate", 0)

    def key(self, item: Item) -> Hashable:
        """Return the candidate labels, which a batch shares."""
        return str(item.input.get("labels")) if isinstance(item.input, Mapping) else None

    def collate(self, items: Sequence[Item]) -> Any:
        """Return the decoded inputs, with the batch's candidate labels."""
        values = [self._read(_value(item.input, self._input), self._rate) for item in items]
        return values, _labels(items[0].input) if self._options.task == ZERO_SHOT else None

    def run(self, batch: Any) -> list[Any]:
        """Return what the pipeline returns for each input, in batches of equal length where it is a sound."""
        values, labels = batch
        more: dict[str, Any] = {"candidate_labels": labels} if labels else {}
        if self._options.task in SCORED:
            more["top_k"] = self._options.top_k
        elif self._options.task == TOKENS:
            more["aggregation_strategy"] = self._options.aggregation
        return [answer for group in self._groups(values) for answer in self._answers(group, more)]

    def _answers(self, group: list[Any], more: dict[str, Any]) -> Any:
        return self._pipeline(group, batch_size=len(group), **more)

    def _groups(self, values: list[Any]) -> list[list[Any]]:
        """Return what runs together: without padding sounds of equal length, and texts one by one."""
        tokenizer = getattr(self._pipeline, "tokenizer", None)
        if tokenizer is not None and tokenizer.pad_token is None:
            return [[value] for value in values]
        return _equally_long(values)

    def outputs(self, raw: list[Any]) -> list[Any]:
        """Return an object for each item."""
        if self._options.task == TOKENS:
            return [{"entities": entities} for entities in raw]
        return [{SCORES: _scores(answer)} for answer in raw]

    def schemas(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return the JSON Schemas of inputs and outputs."""
        properties: dict[str, Any] = {self._input: {"type": "string"}}
        if self._options.task == ZERO_SHOT:
            properties["labels"] = {"type": "array", "items": {"type": "string"}, "minItems": 1}
        given = "entities" if self._options.task == TOKENS else SCORES
        taken = {"type": "object", "properties": properties, "required": list(properties)}
        return taken, {"type": "object", "required": [given]}

    def memory_bytes(self) -> int:
        """Return the bytes of the model's parameters and buffers."""
        return weight_bytes([self._pipeline.model])


def load(path: Path, options: PipelineOptions, device: str) -> TaskPipeline:
    """Return the pipeline in a directory of Hugging Face; LoadFailedError."""
    if not path.is_dir() or not any(path.glob("*.safetensors")):
        raise LoadFailedError(f"{path.name!r} is no directory with safetensors; no pickle is ever loaded.")
    if options.task == "audio-classification":
        import_module("soundfile")  # which an installation may lack
    import transformers

    transformers.utils.logging.disable_progress_bar()
    model = {"use_safetensors": True, "dtype": options.dtype}
    # The name of a directory is never looked up on the hub, whose client is offline too.
    made = transformers.pipeline(
        options.task, model=str(path.absolute()), device=device, trust_remote_code=False, model_kwargs=model
    )
    return TaskPipeline(made, options)


def _one_at_a_time(prepare: Callable[..., Any]) -> Callable[..., Any]:
    """Return the same for one thread at a time, because a fast tokenizer holds its padding as state."""
    lock = Lock()

    def parts(*given: Any, **options: Any) -> Iterator[Any]:
        with lock:
            made = list(prepare(*given, **options))
        yield from made

    def whole(*given: Any, **options: Any) -> Any:
        with lock:
            return prepare(*given, **options)

    return parts if isgeneratorfunction(prepare) else whole


def _text(value: Any, _: int) -> str:
    if isinstance(value, FileInput):
        value = value.body.decode("utf-8", "surrogateescape")
    if not _is_text(value):
        raise InvalidInputError("text is no text.")
    return value


def _is_text(value: Any) -> TypeGuard[str]:
    return isinstance(value, str) and not any("\ud800" <= letter <= "\udfff" for letter in value)


def _text_to_sort(value: Any, _: int) -> str:
    text = _text(value, _)
    if not text:  # the library takes an empty one for none
        raise InvalidInputError("text is empty.")
    return text


def _image(value: Any, _: int) -> Any:
    return picture(_bytes(value, "image"))


def _sound(value: Any, rate: int) -> Any:
    return sound(_bytes(value, "audio"), rate)


TOKENS, ZERO_SHOT = "token-classification", "zero-shot-classification"
SCORED = frozenset({"text-classification", "image-classification", "audio-classification"})
INPUTS: Mapping[str, tuple[str, Callable[[Any, int], Any]]] = {
    "text-classification": ("text", _text),
    TOKENS: ("text", _text),
    ZERO_SHOT: ("text", _text_to_sort),
    "image-classification": ("image", _image),
    "audio-classification": ("audio", _sound),
}


def _value(value: Any, name: str) -> Any:
    if not isinstance(value, Mapping) or name not in value:
        raise InvalidInputError(f'The input has no {name}: {{"{name}": …}} is expected.')
    return value[name]


def _labels(value: Any) -> list[str]:
    labels = _value(value, "labels")
    if not isinstance(labels, list) or not labels or not all(label and _is_text(label) for label in labels):
        raise InvalidInputError("labels must be a list of texts, none of them empty.")
    return labels


def _bytes(value: Any, name: str) -> bytes:
    if isinstance(value, FileInput):
        return value.body
    if not isinstance(value, str):
        raise InvalidInputError(f"{name} must be a file, or its bytes in base64.")
    try:
        return b64decode(value, validate=True)
    except ValueError:
        raise InvalidInputError(
            f"{name} is a text, but no base64: send a file, or its bytes in base64."
        ) from None


def _equally_long(values: list[Any]) -> list[list[Any]]:
    """Return runs of sounds of equal length, because silence that is added changes an answer; else all."""
    groups: list[list[Any]] = []
    for value in values:
        length = len(value) if isinstance(value, np.ndarray) else -1
        if groups and (length < 0 or len(groups[-1][0]) == length):
            groups[-1].append(value)
        else:
            groups.append([value])
    return groups


def _scores(answer: Any) -> Any:
    if isinstance(answer, Mapping) and "labels" in answer:  # zero-shot
        return [
            {"label": label, "score": score}
            for label, score in zip(answer["labels"], answer["scores"], strict=True)
        ]
    return answer
