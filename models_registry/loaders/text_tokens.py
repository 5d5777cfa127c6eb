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

Features = dict[str, Any]
_INT32 = "i"
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
    """Tokenizes by the model's own wrapper."""

    def __init__(self, model: Any, torch: Any) -> None:
        self._model, self._torch, self._lock = model, torch, Lock()

    def features(self, texts: Sequence[str]) -> tuple[Features, Features]:
        """Return the tensors of the texts, and the other features."""
        with self._lock:  # a fast tokenizer holds its padding and truncation as state
            both: Features = self._model.preprocess(list(texts))
        tensors = {name: x for name, x in both.items() if isinstance(x, self._torch.Tensor)}
        return tensors, {name: x for name, x in both.items() if name not in tensors}


@dataclass(frozen=True, slots=True)
class PlainTexts:
    """Tokenizes by a tokenizer whose state never changes, so that threads need no lock.

    `names` are the tensors that the model takes, `rest` its other features.
    """

    torch: Any
    encode: Callable[[list[str]], Sequence[Any]]
    pad_id: int
    names: frozenset[str]
    rest: Features = field(default_factory=dict)

    def features(self, texts: Sequence[str]) -> tuple[Features, Features]:
        """Return the tensors of the texts, int32 and padded on the right, and the other features."""
        rows = [array(_INT32, encoding.ids) for encoding in self.encode(list(texts))]
        lengths = [len(row) for row in rows]
        longest = max(lengths)
        padding = array(_INT32, [self.pad_id]) * longest
        ids = array(_INT32)
        for row, length in zip(rows, lengths, strict=True):
            ids += row
            ids += padding[length:]
        return self._tensors(ids, lengths, longest), dict(self.rest)

    def _tensors(self, ids: array[int], lengths: list[int], longest: int) -> Features:
        torch, shape = self.torch, (len(lengths), longest)
        mask = torch.arange(longest) < torch.tensor(lengths)[:, None]
        types = torch.zeros(shape, dtype=torch.int32)  # all of a single text
        tokens = torch.frombuffer(ids, dtype=torch.int32).view(shape) if ids else types
        made = {"input_ids": tokens, "attention_mask": mask.int(), "token_type_ids": types}
        return {name: made[name] for name in self.names}


def texts_of(model: Any, torch: Any) -> WrappedTexts | PlainTexts:
    """Return what tokenizes as `model` does: without its wrapper, if that is sure to make the same."""
    wrapped = WrappedTexts(model, torch)
    try:
        plain = _plain(model, torch, wrapped)
        same = all(_same(torch, wrapped.features(texts), plain.features(texts)) for texts in _batches())
    except Exception:  # noqa: BLE001  # a tokenizer of another make has none of what is read here
        return wrapped
    return plain if same else wrapped


def _plain(model: Any, torch: Any, wrapped: WrappedTexts) -> PlainTexts:
    from tokenizers import Tokenizer

    tensors, rest = wrapped.features(PROBES)  # sets the padding and truncation that are copied here
    own = Tokenizer.from_str(model.tokenizer.backend_tokenizer.to_str())
    pad_id = int((own.padding or {})["pad_id"])
    own.no_padding()
    return PlainTexts(torch, own.encode_batch_fast, pad_id, frozenset(tensors), rest)


def _batches() -> list[Sequence[str]]:
    return [PROBES, PROBES[:3], PROBES[:1], PROBES[-1:]]


def _same(torch: Any, one: tuple[Features, Features], other: tuple[Features, Features]) -> bool:
    tensors, rest = one
    return other[0].keys() == tensors.keys() and other[1] == rest and _equal(torch, tensors, other[0])


def _equal(torch: Any, tensors: Mapping[str, Any], others: Mapping[str, Any]) -> bool:
    return all(torch.equal(tensor.long(), others[name].long()) for name, tensor in tensors.items())
