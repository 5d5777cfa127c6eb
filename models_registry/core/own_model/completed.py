"""Completes a model: `run` is all that it must have, and what else a worker calls has defaults.

    class Shout:
        def run(self, inputs):
            return [{"text": value["text"].upper()} for value in inputs]

A model that has all methods is used as it is, and pays nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from models_registry.core.context import SILENT, Context
from models_registry.core.own_model.run_hints import RunHints, convert
from models_registry.core.registry_errors import BadOutputError, LoadFailedError
from models_registry.core.runner import Item, Runner

OTHERS = ("key", "collate", "outputs")


@dataclass(frozen=True, slots=True)
class Inputs:
    """A batch for a `run` that asks for the jobs' parameters too."""

    values: list[Any]
    parameters: list[Mapping[str, Any]]


def completed(model: Any) -> Runner:
    """Return the model itself where it has all methods, or a runner that has the others; LoadFailedError.

    Without `key` all items may share a batch. Without `collate`, `run` gets a list of the inputs, each as
    the hint of `run` asks for it, and a list of their parameters where it has an argument of that name.
    Without `outputs` it returns a list of outputs.
    """
    if not callable(getattr(model, "run", None)):
        raise LoadFailedError(f"{type(model).__name__} has no method `run(self, inputs)`.")
    if all(callable(getattr(model, name, None)) for name in OTHERS):
        runner: Runner = model
        return runner
    hints = RunHints.of(model.run)
    return CompletedInContext(model, hints) if hints.context else Completed(model, hints)


class Completed:
    """A runner of a model that lacks methods; those that the model has are called without a detour."""

    def __init__(self, model: Any, hints: RunHints) -> None:
        self._model, self._kind = model, hints.input
        own_collate = getattr(model, "collate", None)
        self._run: Callable[..., Any] = model.run
        self.key: Callable[[Item], Hashable] = getattr(model, "key", None) or _one_key
        self.collate: Callable[[Sequence[Item]], Any] = own_collate or self._inputs
        self.outputs: Callable[[Any], list[Any]] = getattr(model, "outputs", None) or _listed
        if hints.parameters and own_collate is None:
            self.collate, self._run = self._inputs_and_parameters, self._run_with_parameters

    def __getattr__(self, name: str) -> Any:
        """Return what else the model has: `measure`, `warm`, `memory_bytes`."""
        if name == "_model":  # an object that is being copied has none yet
            raise AttributeError(name)
        return getattr(self._model, name)

    def run(self, batch: Any) -> Any:
        """Return the model's raw outputs."""
        return self._run(batch)

    def _inputs(self, items: Sequence[Item]) -> list[Any]:
        kind = self._kind
        return [convert(item.input, kind) for item in items]

    def _inputs_and_parameters(self, items: Sequence[Item]) -> Inputs:
        return Inputs(self._inputs(items), [item.parameters for item in items])

    def _run_with_parameters(self, batch: Inputs, **context: Context) -> Any:
        return self._model.run(batch.values, parameters=batch.parameters, **context)


class CompletedInContext(Completed):
    """The same for a model whose `run` takes a context."""

    def run(self, batch: Any, context: Context = SILENT) -> Any:
        """Return the model's raw outputs."""
        return self._run(batch, context=context)


def _one_key(item: Item) -> Hashable:
    del item
    return ()


def _listed(raw: Any) -> list[Any]:
    if isinstance(raw, str | bytes | Mapping) or not isinstance(raw, Iterable):
        raise BadOutputError(
            f"`run` returned {type(raw).__name__}: it must return a list with an output for each input."
        )
    return list(raw)
