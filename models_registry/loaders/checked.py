"""A runner whose outputs are judged one by one, as its version's options ask."""

from __future__ import annotations

import json
from collections.abc import Hashable, Sequence
from typing import Any

from models_registry.core import schema
from models_registry.core.context import SILENT, Context, InContext, takes_context
from models_registry.core.options import PlatformOptions
from models_registry.core.registry_errors import BadOutputError, InvalidInputError, NotFiniteError
from models_registry.core.runner import Item, Runner
from models_registry.core.version import VersionInfo
from models_registry.shared.finite import is_finite, not_finite_at


def checked(runner: Runner, info: VersionInfo) -> Runner:
    """Return the runner as it is, or one that checks its outputs where the version's options say so."""
    options = PlatformOptions.of(info.options)
    if not (options.check_output or options.refuse_nan):
        return runner
    text = json.dumps(info.output_schema) if options.check_output else ""
    quoting = not info.secrecy.guarded
    if takes_context(runner):
        return CheckedInContext(runner, schema_text=text, refuse_nan=options.refuse_nan, quoting=quoting)
    return Checked(runner, schema_text=text, refuse_nan=options.refuse_nan, quoting=quoting)


class Checked:
    """Another runner, but that what is wrong with an output stands, as an exception, in its place."""

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
        """Return the runner's outputs, each that is refused replaced by the reason."""
        return [self._judged(output) for output in self._runner.outputs(raw)]

    def _judged(self, output: Any) -> Any:
        if isinstance(output, Exception):
            return output
        if self._refuse_nan and not is_finite(output):
            at = not_finite_at(output)
            return NotFiniteError(f"The model's output holds NaN or infinity at {at!r}, which is refused.")
        return self._kept(output) if self._schema else output

    def _kept(self, output: Any) -> Any:
        try:
            schema.check(self._schema, output, "output", quoting=self._quoting)
        except InvalidInputError as error:
            return BadOutputError(f"The model's output breaks its schema: {error}")
        return output


class CheckedInContext(Checked):
    """The same of a runner that takes a context."""

    _runner: InContext

    def run(self, batch: Any, context: Context = SILENT) -> Any:
        """Return the runner's raw outputs."""
        return self._runner.run(batch, context=context)
