"""System checks of the settings that the registry reads."""
