"""Django's entry to the models registry app."""

from django.apps import AppConfig


class ModelsRegistryConfig(AppConfig):
    """Registered models, their versions and aliases."""

    name = "models_registry"
    verbose_name = "Registry"
