"""A model version as parsing sees it, for tests that need no database."""

from __future__ import annotations

from dataclasses import dataclass, field

from models_registry.core.options import PlatformOptions


@dataclass(frozen=True)
class Version:
    id: int = 7
    model_id: int = 3
    model: str = "echo"
    version: str = "1"
    padded: bool = False
    p95_goal_s: float = 2.0
    max_attempts: int = 3
    platform_options: PlatformOptions = field(default_factory=PlatformOptions)
