"""Dense embeddings, as SentenceTransformer.encode makes them."""

from __future__ import annotations

from typing import Any

from models_registry.core.output import OCTETS, Output
from models_registry.core.registry_errors import BadOutputError, InvalidInputError, LoadFailedError
from models_registry.core.runner import Item
from models_registry.loaders.encoders.encode_parameters import EmbeddingParameters
from models_registry.loaders.encoders.prompts import Prompted
from models_registry.loaders.encoders.text_encoder import TextEncoder

EMBEDDING_AXES = 2  # items, dimensions
CALIBRATED = frozenset({"int8", "uint8"})
Ranges = tuple[tuple[float, ...], tuple[float, ...]]


class TextEmbedder(TextEncoder[EmbeddingParameters]):
    """Embeds `{"text": str}` as `{"embedding": [numbers]}`, like SentenceTransformer.encode.

    `ranges` are the least and the greatest value of each dimension, for 8-bit integers: the library would
    take them from the batch, and then an answer would depend on its neighbours.
    """

    PARAMETERS = EmbeddingParameters

    def __init__(self, model: Any, device: str, ranges: Ranges | None = None) -> None:
        super().__init__(model, device)
        self._dimensions: int | None = None
        if hasattr(model, "get_embedding_dimension"):
            self._dimensions = model.get_embedding_dimension()
        self._ranges = ranges
        if ranges is not None and self._dimensions not in (None, len(ranges[0])):
            raise LoadFailedError(
                f"The option int8_ranges has {len(ranges[0])} values in a list, and the model"
                f" {self._dimensions} dimensions."
            )

    def run(self, batch: Any) -> Any:
        """Return the embeddings, a row for each item, on their way back from the device."""
        with self._torch.inference_mode():
            features, asked = self._forward(batch)
            embedded = features["sentence_embedding"]
            most = asked.dimensions or getattr(self._model, "truncate_dim", None)
            if most is not None:
                embedded = embedded[..., :most]
            if asked.normalize:
                embedded = self._torch.nn.functional.normalize(embedded, p=2, dim=1)
        del batch, features  # inputs and hidden states leave the device before the embeddings have
        return self._transfer.send_back([embedded]), asked.precision

    def outputs(self, raw: Any) -> list[Any]:
        """Return `{"embedding": [numbers]}` for each item, as the bytes of its numbers."""
        sent, precision = raw
        (rows,) = self._transfer.arrive_back(sent)
        if rows.ndim != EMBEDDING_AXES:
            raise BadOutputError(
                f"The model returned a tensor of shape {tuple(rows.shape)}, not a row for each item."
            )
        numbers = rows.float().numpy()
        if precision != "float32":
            numbers = self._quantized(numbers, precision)
        meta = {"dtype": numbers.dtype.name, "shape": [numbers.shape[1]], "field": "embedding"}
        return [Output(row.tobytes(), OCTETS, meta) for row in numbers]

    def _quantized(self, numbers: Any, precision: str) -> Any:
        import numpy as np
        from sentence_transformers.util import quantize_embeddings

        ranges = None
        if precision in CALIBRATED:
            ranges = np.array(self._ranges, np.float32)[:, : numbers.shape[1]]
        return quantize_embeddings(numbers, precision, ranges)

    def _asked(self, item: Item) -> tuple[EmbeddingParameters, Prompted]:
        asked, prompted = super()._asked(item)
        most = self._dimensions
        if asked.dimensions is not None and most is not None and asked.dimensions > most:
            raise InvalidInputError(
                f"The parameter dimensions is {asked.dimensions}; the model's embeddings have {most}."
            )
        if asked.precision in CALIBRATED and self._ranges is None:
            raise InvalidInputError(
                f"The precision {asked.precision} needs the version's option int8_ranges, which is not set;"
                " float32, binary and ubinary need none."
            )
        return asked, prompted
