"""The client of the package `inference_client`, by the name that it has for code of this project.

Its source is under `src/`: a distribution of its own, which apps install without the platform.
"""

from inference_client import *  # noqa: F403  # its `__all__` is the interface
from inference_client import __all__ as __all__
