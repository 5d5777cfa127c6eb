"""A model of one's own: what it declares, what its hints say, and what it may leave out."""

from models_registry.core.own_model.declared import model

__all__ = ["model"]
