"""A runner that checks each output, if its version's options ask for it."""

from __future__ import annotations

import json
from collections.abc import Hashable, Sequence
from typing import Any

from models_registry.core import schema
from models_registry.core.context import SILENT, Context, InContext, takes_context
from models_registry.core.output import Output
from models_registry.core.plain_output import plain
from models_registry.core.registry_errors import BadOutputError, InvalidInputError
from models_registry.core.runner import Item, Runner, takes_files
from models_registry.core.version import VersionInfo


def checked(runner: Runner, info: VersionInfo) -> Runner:
    """Return the runner, wrapped by one that checks its outputs if the version's options ask for it."""
    options = info.platform_options
    if not options.check_output:
        return runner
    kind = CheckedInContext if takes_context(runner) else Checked
    return kind(runner, schema_text=json.dumps(info.output_schema), quoting=not info.secrecy.guarded)


class Checked:
    """Wraps a runner and replaces each invalid output by the exception that describes it."""

    def __init__(self, runner: Runner, *, schema_text: str, quoting: bool = True) -> None:
        self._runner, self._schema, self._quoting = runner, schema_text, quoting
        self.takes_files = takes_files(runner)

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
        if not isinstance(output, Output) and self._fault(output) is None:
            return output
        try:
            value = plain(output)  # a schema knows no arrays or dates
        except BadOutputError as error:
            return error
        return self._fault(value) or (output if isinstance(output, Output) else value)

    def _fault(self, output: Any) -> BadOutputError | None:
        try:
            schema.check(self._schema, output, "output", quoting=self._quoting)
        except InvalidInputError as error:
            return BadOutputError(f"The model's output breaks its schema: {error}")
        return None


class CheckedInContext(Checked):
    """The same for a runner that takes a context."""

    _runner: InContext

    def run(self, batch: Any, context: Context = SILENT) -> Any:
        """Return the runner's raw outputs."""
        return self._runner.run(batch, context=context)
