"""The settings by what they are about: each part is a base of `config.Config`, which holds them all."""
