"""Sparse embeddings, as SparseEncoder.encode makes them."""

from __future__ import annotations

from typing import Any

from models_registry.loaders.encoders.encode_parameters import SparseParameters
from models_registry.loaders.encoders.text_encoder import TextEncoder


class SparseTexts(TextEncoder[SparseParameters]):
    """Encodes `{"text": str}` as `{"indices": [int], "values": [float]}`, by rising index."""

    PARAMETERS = SparseParameters

    def run(self, batch: Any) -> Any:
        """Return how many values each item has, their places and themselves, on their way back."""
        from sentence_transformers.util import select_max_active_dims

        most = batch[2].max_active_dims or self._model.max_active_dims
        more = {} if most is None else {"max_active_dims": most}
        with self._torch.inference_mode():
            features, _ = self._forward(batch, **more)
            rows = features["sentence_embedding"]
            rows = rows.to_dense() if rows.is_sparse else rows
            if most is not None:
                rows = select_max_active_dims(rows, max_active_dims=most)
            places = rows.nonzero()
            values = rows[places[:, 0], places[:, 1]]
            counts = (rows != 0).sum(1)
        del batch, features, rows  # a row has a number for each word of the vocabulary
        return self._transfer.send_back([counts, places[:, 1], values])

    def outputs(self, raw: Any) -> list[Any]:
        """Return the indices and the values of each item."""
        counts, places, values = self._transfer.arrive_back(raw)
        sizes = counts.tolist()
        rows = zip(places.split(sizes), values.float().split(sizes), strict=True)
        return [{"indices": at.tolist(), "values": row.tolist()} for at, row in rows]
