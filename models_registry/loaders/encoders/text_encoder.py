"""What the encoders of texts share: inputs, parameters, tokens, and the way to the device and back."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar, Generic, TypeVar

from models_registry.core.registry_errors import InvalidInputError
from models_registry.core.runner import Item
from models_registry.loaders.encoders.encode_parameters import (
    PromptParameters,
    TextParameters,
    read_parameters,
)
from models_registry.loaders.encoders.prompts import Prompted, Prompts
from models_registry.loaders.encoders.text_tokens import PromptedTexts
from models_registry.loaders.memory import weight_bytes
from models_registry.loaders.transfer import transfer_to

Asked = TypeVar("Asked", bound=PromptParameters)
BYTES_PER_TOKEN = 5  # of English in the vocabulary of BERT; other texts have fewer


class LibraryModel(Generic[Asked]):
    """A model of sentence_transformers on a device, and the parameters that its jobs may give."""

    PARAMETERS: ClassVar[type[PromptParameters]]

    def __init__(self, model: Any, device: str) -> None:
        import torch

        self._torch, self._model = torch, model
        self._transfer = transfer_to(torch, torch.device(device))
        self._texts = PromptedTexts(model, torch)
        self._prompts = Prompts.of(model)
        self._default = self.PARAMETERS()

    def key(self, item: Item) -> Asked:
        """Return the parameters: one prompt, task and form hold for a whole batch; InvalidInputError."""
        return self._asked(item)[0]

    def memory_bytes(self) -> int:
        """Return the bytes of the model's parameters and buffers."""
        return weight_bytes([self._model])

    def _asked(self, item: Item) -> tuple[Asked, Prompted]:
        given: Any = self._default
        if item.parameters:
            given = read_parameters(self.PARAMETERS, item.parameters)
        task = given.task if isinstance(given, TextParameters) else None
        return given, self._prompts.resolve(given.prompt_name, task)


class TextEncoder(LibraryModel[Asked], ABC):
    """Encodes `{"text": str}`; a batch is tensors on their way, other features, and what the jobs asked."""

    @property
    def longest_bytes(self) -> int | None:
        """Return the bytes of a text from which on it is as long as any: the rest of it is cut off."""
        tokens = getattr(self._model, "max_seq_length", None)
        return None if not tokens or tokens > _NO_LIMIT else int(tokens) * BYTES_PER_TOKEN

    def collate(self, items: Sequence[Item]) -> Any:
        """Return token ids and masks, padded and on their way to the device, and the other features."""
        asked, prompted = self._asked(items[0])
        texts = [text_of(item.input) for item in items]
        tensors, rest = self._texts.of(prompted).features(texts)
        return self._transfer.send(tensors), rest, asked, prompted.task_arguments

    def warm(self, max_batch: int) -> None:
        """Run batches of 2 and of the most items at several lengths, so that none compiles in traffic."""
        if getattr(self._model, "_compiled_call_impl", None) is None:
            return
        most = min(getattr(self._model, "max_seq_length", None) or _WARM_TOKENS, _WARM_TOKENS)
        for words in sorted({1, most // 8 or 1, most // 2 or 1, most}):
            for size in sorted({2, max_batch}):
                items = [Item({"text": "a " * words})] * size
                self.outputs(self.run(self.collate(items)))

    @abstractmethod
    def run(self, batch: Any) -> Any:
        """Return the raw outputs on their way back from the device."""

    @abstractmethod
    def outputs(self, raw: Any) -> list[Any]:
        """Return an output for each item."""

    def _forward(self, batch: Any, **more: Any) -> tuple[dict[str, Any], Asked]:
        sent, rest, asked, arguments = batch
        return self._model({**self._transfer.arrive(sent), **rest}, **arguments, **more), asked


_NO_LIMIT = 1_000_000  # a tokenizer without a limit says 10 to the power of 30
_WARM_TOKENS = 512


def text_of(value: Any) -> str:
    """Return the text of an input `{"text": …}`; InvalidInputError."""
    text = value.get("text") if isinstance(value, dict) else None
    if not isinstance(text, str):
        raise InvalidInputError('The input has no text; it must be {"text": "…"}.')
    return checked_text(text)


def checked_text(text: str) -> str:
    """Return the text; InvalidInputError where it is not one that a tokenizer can read."""
    try:
        text.encode()
    except UnicodeEncodeError:
        raise InvalidInputError(
            "The text holds half of a surrogate pair, which is not a character."
        ) from None
    return text
