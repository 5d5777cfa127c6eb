"""The registry: models, the versions that names resolve to, and loaders that make runners of them."""
