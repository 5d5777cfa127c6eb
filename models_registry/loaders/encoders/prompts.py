"""The prompt that the library puts before a text: one that is named, that of the task, or the model's own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from models_registry.core.registry_errors import InvalidInputError

# In the order in which the library looks for them.
OF_TASK: Mapping[str | None, tuple[str, ...]] = {
    "query": ("query",),
    "document": ("document", "passage", "corpus"),
}


@dataclass(frozen=True, slots=True)
class Prompted:
    """What decides how texts become tokens, and which route they take: a prompt and a task, or None."""

    prompt: str | None = None
    task: str | None = None

    @property
    def task_arguments(self) -> dict[str, str]:
        """Return the arguments of the model's forward pass."""
        return {} if self.task is None else {"task": self.task}

    @property
    def arguments(self) -> dict[str, str]:
        """Return the arguments of the model's preprocessing."""
        return self.task_arguments | ({} if self.prompt is None else {"prompt": self.prompt})


@dataclass(frozen=True, slots=True)
class Prompts:
    """A model's prompts by name, and the name of the one for texts without a name or a task."""

    texts: Mapping[str, str]
    default: str | None = None

    @classmethod
    def of(cls, model: Any) -> Prompts:
        """Read a model of the library; one without prompts has none."""
        return cls(getattr(model, "prompts", {}), getattr(model, "default_prompt_name", None))

    def resolve(self, name: str | None, task: str | None) -> Prompted:
        """Return what the library would use; InvalidInputError where the model has no prompt of that name."""
        if name is not None and name not in self.texts:
            names = ", ".join(sorted(self.texts)) or "none"
            raise InvalidInputError(f"There is no prompt {name!r:.80}; the model's prompts: {names}.")
        of_task = (candidate for candidate in OF_TASK.get(task, ()) if candidate in self.texts)
        name = name or next(of_task, None) or self.default
        return Prompted(None if name is None else self.texts[name], task)
