"""A runner that checks each output, if its version's options ask for it."""

from __future__ import annotations

import json
from collections.abc import Hashable, Sequence
from typing import Any

from models_registry.core import schema
from models_registry.core.context import SILENT, Context, InContext, takes_context
from models_registry.core.registry_errors import BadOutputError, InvalidInputError, NotFiniteError
from models_registry.core.runner import Item, Runner
from models_registry.core.version import VersionInfo
from models_registry.shared.finite import is_finite, not_finite_at


def checked(runner: Runner, info: VersionInfo) -> Runner:
    """Return the runner, wrapped by one that checks its outputs if the version's options ask for it."""
    options = info.platform_options
    if not (options.check_output or options.refuse_nan):
        return runner
    text = json.dumps(info.output_schema) if options.check_output else ""
    quoting = not info.secrecy.guarded
    if takes_context(runner):
        return CheckedInContext(runner, schema_text=text, refuse_nan=options.refuse_nan, quoting=quoting)
    return Checked(runner, schema_text=text, refuse_nan=options.refuse_nan, quoting=quoting)


class Checked:
    """Wraps a runner and replaces each invalid output by the exception that describes it."""

    def __init__(self, runner: Runner, *, schema_text: str, refuse_nan: bool, quoting: bool = True) -> None:
        self._runner, self._schema, self._refuse_nan = runner, schema_text, refuse_nan
        self._quoting = quoting

    def key(self, item: Item) -> Hashable:
        """Return the runner's key."""
        return self._runner.key(item)

    def collate(self, items: Sequence[Item]) -> Any:
        """Return the runner's batch."""
        return self._runner.collate(items)

    def run(self, batch: Any) -> Any:
        """Return the runner's raw outputs."""
        return self._runner.run(batch)

    def outputs(self, raw: Any) -> list[Any]:
        """Return the runner's outputs, invalid ones replaced by exceptions."""
        return [self._checked(output) for output in self._runner.outputs(raw)]

    def _checked(self, output: Any) -> Any:
        if isinstance(output, BaseException):
            return output
        if self._refuse_nan and not is_finite(output):
            at = not_finite_at(output)
            return NotFiniteError(f"The model's output holds NaN or infinity at {at!r}.")
        return self._valid(output) if self._schema else output

    def _valid(self, output: Any) -> Any:
        try:
            schema.check(self._schema, output, "output", quoting=self._quoting)
        except InvalidInputError as error:
            return BadOutputError(f"The model's output breaks its schema: {error}")
        return output


class CheckedInContext(Checked):
    """The same for a runner that takes a context."""

    _runner: InContext

    def run(self, batch: Any, context: Context = SILENT) -> Any:
        """Return the runner's raw outputs."""
        return self._runner.run(batch, context=context)
