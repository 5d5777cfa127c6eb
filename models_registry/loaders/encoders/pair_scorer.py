"""Scores of pairs of texts, as CrossEncoder.predict makes them: rerankers and classifiers of pairs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from models_registry.core.registry_errors import InvalidInputError
from models_registry.core.runner import Item
from models_registry.loaders.encoders.encode_parameters import PairParameters
from models_registry.loaders.encoders.text_encoder import LibraryModel, checked_text

Pair = tuple[str, str]
FORM = 'it must be {"query": "…", "documents": ["…"]} or {"pairs": [["…", "…"]]}'


class PairScorer(LibraryModel[PairParameters]):
    """Scores a query with each of some documents, or pairs, as `{"scores": [floats]}` in their order.

    The scores of a model with several labels are lists, a number for each label. The pairs of all items of a
    batch run together, by length, `pairs_per_run` at a time: one item may hold thousands.
    """

    PARAMETERS = PairParameters

    def __init__(self, model: Any, device: str, pairs_per_run: int) -> None:
        super().__init__(model, device)
        self._pairs_per_run = pairs_per_run

    def collate(self, items: Sequence[Item]) -> Any:
        """Return the pairs' tensors in parts, the place of each row, and how many pairs each item has."""
        asked, prompted = self._asked(items[0])
        of_items = [pairs_of(item.input) for item in items]
        pairs = [pair for group in of_items for pair in group]
        order = sorted(range(len(pairs)), key=lambda at: -sum(map(len, pairs[at])))
        parts = list[Any]()
        texts = self._texts.wrapped(prompted)
        for start in range(0, len(order), self._pairs_per_run):
            tensors, rest = texts.features([pairs[at] for at in order[start : start + self._pairs_per_run]])
            parts.append((self._transfer.send(tensors), rest))
        return parts, order, list(map(len, of_items)), asked

    def run(self, batch: Any) -> Any:
        """Return the scores of all pairs, on their way back from the device."""
        parts, order, counts, asked = batch
        with self._torch.inference_mode():
            scores = [self._scores(sent, rest, softmax=asked.apply_softmax) for sent, rest in parts]
            return self._transfer.send_back([self._torch.cat(scores)]), order, counts

    def outputs(self, raw: Any) -> list[Any]:
        """Return the scores of each item's pairs, in their order."""
        sent, order, counts = raw
        (scores,) = self._transfer.arrive_back(sent)
        in_order = scores[self._torch.tensor(order).argsort()].float()
        return [{"scores": part.tolist()} for part in in_order.split(counts)]

    def _scores(self, sent: Any, rest: dict[str, Any], *, softmax: bool) -> Any:
        scores = self._model({**self._transfer.arrive(sent), **rest})["scores"].float()
        scores = self._model.activation_fn(scores)
        if self._model.num_labels == 1 and scores.ndim > 1:
            scores = scores.squeeze(-1)
        return self._torch.nn.functional.softmax(scores, dim=1) if softmax and scores.ndim > 1 else scores


def pairs_of(value: Any) -> list[Pair]:
    """Return the pairs of an input in either form; InvalidInputError."""
    if not isinstance(value, dict):
        raise InvalidInputError(f"The input is no object; {FORM}.")
    pairs = value.get("pairs")
    if pairs is None:
        query, documents = value.get("query"), value.get("documents")
        pairs = [(query, document) for document in documents] if isinstance(documents, list) else None
    if not isinstance(pairs, list) or not pairs:
        raise InvalidInputError(f"The input has no documents and no pairs; {FORM}.")
    return [_pair(pair) for pair in pairs]


def _pair(pair: Any) -> Pair:
    match pair:
        case [str(one), str(other)]:
            return checked_text(one), checked_text(other)
    raise InvalidInputError(f"Each pair must be two texts; {FORM}.")
