"""An embedding for each token, for late interaction, as MultiVectorEncoder.encode makes them."""

from __future__ import annotations

from typing import Any

from models_registry.core.output import Output
from models_registry.loaders.encoders.encode_parameters import MultiVectorParameters
from models_registry.loaders.encoders.text_encoder import TextEncoder


class TokenEmbedder(TextEncoder[MultiVectorParameters]):
    """Embeds `{"text": str}` as `{"embeddings": [[floats], …]}`, a row for each token that counts."""

    PARAMETERS = MultiVectorParameters

    def run(self, batch: Any) -> Any:
        """Return the embeddings of all tokens, and which of them count, on their way back."""
        with self._torch.inference_mode():
            features, asked = self._forward(batch)
            tokens, mask = features["token_embeddings"], features["attention_mask"].bool()
            if asked.normalize:
                tokens = self._torch.nn.functional.normalize(tokens, p=2, dim=-1)
        del batch, features  # inputs and hidden states leave the device before the embeddings have
        return self._transfer.send_back([tokens, mask])

    def outputs(self, raw: Any) -> list[Any]:
        """Return the embeddings of each item's tokens, as the bytes of their floats."""
        tokens, masks = self._transfer.arrive_back(raw)
        rows = (rows[mask].float().numpy() for rows, mask in zip(tokens, masks, strict=True))
        return [Output.of_array(matrix, field="embeddings") for matrix in rows]
