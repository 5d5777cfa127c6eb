"""Texts as padded tensors of token ids, without the wrapper around the tokenizer where it adds nothing.

The wrapper of transformers takes longer in Python than its tokenizer does in Rust, and holds the interpreter
lock all that time. A tokenizer of our own is set as the wrapper sets its own. Where the two do not make the
same of some odd texts, the wrapper stays.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from threading import Lock
from typing import Any

from models_registry.loaders.encoders.prompts import Prompted

Features = dict[str, Any]
_INT32 = "i"
PLAIN = Prompted()
PROBES = (
    "",
    "  White space around, and\ttabs\nand lines.  ",
    "Hello, HELLO, hello: don't! co-op (2.5 %) https://example.org/a?b=c #x @y",
    "Ärger über naïve Straßen, İstanbul, e\N{COMBINING ACUTE ACCENT}; 東京の天気, привет, עברית",
    "\N{WAVING HAND SIGN}\N{EMOJI MODIFIER FITZPATRICK TYPE-5} \0\x07\N{REPLACEMENT CHARACTER}",
    "\N{NO-BREAK SPACE}\N{ZERO WIDTH SPACE}\N{IDEOGRAPHIC SPACE}.",
    "[CLS] [PAD] [SEP] [MASK] [UNK] <s> </s> <pad> <unk> <mask> <|endoftext|>",
    "Incomprehensibilities" * 20,
    "A long text is cut off at the same token. " * 2_000,
)


class WrappedTexts:
    """Tokenizes by the model's own wrapper; those of one model share a lock.

    A text may also be a pair of texts.
    """

    def __init__(self, model: Any, torch: Any, prompted: Prompted = PLAIN, lock: Lock | None = None) -> None:
        self._model, self._torch, self._lock = model, torch, lock or Lock()
        self._arguments = prompted.arguments

    def features(self, texts: Sequence[Any]) -> tuple[Features, Features]:
        """Return the tensors of the texts, and the other features."""
        with self._lock:  # a fast tokenizer holds its padding and truncation as state
            both: Features = self._model.preprocess(list(texts), **self._arguments)
        tensors = {name: x for name, x in both.items() if isinstance(x, self._torch.Tensor)}
        return tensors, {name: x for name, x in both.items() if name not in tensors}


@dataclass(frozen=True, slots=True)
class PlainTexts:
    """Tokenizes by a tokenizer whose state never changes, so that threads need no lock.

    `names` are the tensors that the model takes, `rest` its other features. `prompt` comes before each text,
    and `left` is the side that is padded.
    """

    torch: Any
    encode: Callable[[list[str]], Sequence[Any]]
    pad_id: int
    names: frozenset[str]
    rest: Features = field(default_factory=dict)
    prompt: str = ""
    left: bool = False

    def features(self, texts: Sequence[str]) -> tuple[Features, Features]:
        """Return the tensors of the texts, int32 and padded, and the other features."""
        whole = [self.prompt + text for text in texts] if self.prompt else list(texts)
        rows = [array(_INT32, encoding.ids) for encoding in self.encode(whole)]
        lengths = [len(row) for row in rows]
        longest = max(lengths)
        padding = array(_INT32, [self.pad_id]) * longest
        ids = array(_INT32)
        for row, length in zip(rows, lengths, strict=True):
            ids += padding[length:] + row if self.left else row + padding[length:]
        return self._tensors(ids, lengths, longest), dict(self.rest)

    def _tensors(self, ids: array[int], lengths: list[int], longest: int) -> Features:
        torch, shape = self.torch, (len(lengths), longest)
        places, real = torch.arange(longest), torch.tensor(lengths)[:, None]
        mask = places >= longest - real if self.left else places < real
        types = torch.zeros(shape, dtype=torch.int32)  # all of a single text
        tokens = torch.frombuffer(ids, dtype=torch.int32).view(shape) if ids else types
        made = {"input_ids": tokens, "attention_mask": mask.int(), "token_type_ids": types}
        return {name: made[name] for name in self.names}


def texts_of(
    model: Any, torch: Any, prompted: Prompted = PLAIN, lock: Lock | None = None
) -> WrappedTexts | PlainTexts:
    """Return what tokenizes as `model` does: without its wrapper, if that is sure to make the same."""
    wrapped = WrappedTexts(model, torch, prompted, lock)
    try:
        plain = _plain(model, torch, wrapped, prompted)
        same = all(_same(torch, wrapped.features(texts), plain.features(texts)) for texts in _batches())
    except Exception:  # noqa: BLE001  # a tokenizer of another make has none of what is read here
        return wrapped
    return plain if same else wrapped


class PromptedTexts:
    """Tokenizes texts of one model with any of its prompts and for any task."""

    def __init__(self, model: Any, torch: Any) -> None:
        self._model, self._torch = model, torch
        self._tokenizer, self._making = Lock(), Lock()
        self._made: dict[Prompted, WrappedTexts | PlainTexts] = {}

    def wrapped(self, prompted: Prompted) -> WrappedTexts:
        """Return the model's own wrapper with this prompt, which takes pairs of texts too."""
        return WrappedTexts(self._model, self._torch, prompted, self._tokenizer)

    def of(self, prompted: Prompted) -> WrappedTexts | PlainTexts:
        """Return what tokenizes with this prompt, made at the first use."""
        made = self._made.get(prompted)
        if made is not None:
            return made
        with self._making:
            if prompted not in self._made:
                self._made[prompted] = texts_of(self._model, self._torch, prompted, self._tokenizer)
            return self._made[prompted]


def _plain(model: Any, torch: Any, wrapped: WrappedTexts, prompted: Prompted) -> PlainTexts:
    from tokenizers import Tokenizer

    tensors, rest = wrapped.features(PROBES)  # sets the padding and truncation that are copied here
    own = Tokenizer.from_str(_tokenizer(model, prompted).backend_tokenizer.to_str())
    padding = own.padding or {}
    pad_id, left = int(padding["pad_id"]), padding["direction"] == "left"
    own.no_padding()
    names, prompt = frozenset(tensors), prompted.prompt or ""
    return PlainTexts(torch, own.encode_batch_fast, pad_id, names, rest, prompt, left)


def _tokenizer(model: Any, prompted: Prompted) -> Any:
    """Return the tokenizer of the route that texts of the task take, or else the model's."""
    routes = getattr(next(iter(model), None), "sub_modules", None) if hasattr(model, "__iter__") else None
    if routes is not None and prompted.task in routes:
        return routes[prompted.task][0].tokenizer
    return model.tokenizer


def _batches() -> list[Sequence[str]]:
    return [PROBES, PROBES[:3], PROBES[:1], PROBES[-1:]]


def _same(torch: Any, one: tuple[Features, Features], other: tuple[Features, Features]) -> bool:
    tensors, rest = one
    return other[0].keys() == tensors.keys() and other[1] == rest and _equal(torch, tensors, other[0])


def _equal(torch: Any, tensors: Mapping[str, Any], others: Mapping[str, Any]) -> bool:
    return all(torch.equal(tensor.long(), others[name].long()) for name, tensor in tensors.items())
