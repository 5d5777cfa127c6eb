"""The option `monitor`: which parts of a version's inputs and outputs are watched for drift. Pure.

{"monitor": {"inputs": ["/age", "/text"], "confidence": "/score", "label": "/label", "purge_cache": true}}
"""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

from models_registry.core.struct_fields import about

MOST_INPUTS = 16
MOST_POINTER_CHARS = 100
InputPointer = Annotated[str, Meta(pattern=r"^(/[^/\x00]*)+\Z", max_length=MOST_POINTER_CHARS)]
OutputPointer = Annotated[str, Meta(pattern=r"^(/[^/\x00]*)*\Z", max_length=MOST_POINTER_CHARS)]
_A_POINTER = "a JSON pointer into the output, empty for all of it, or null"


class Monitor(Struct, frozen=True, forbid_unknown_fields=True):
    """What is watched of a version's jobs; whatever it is, the size of inputs is watched too."""

    enabled: Annotated[
        bool, about("Watch the size of inputs. It need not be set where a part below is named.")
    ] = False
    inputs: Annotated[
        Annotated[tuple[InputPointer, ...], Meta(max_length=MOST_INPUTS)],
        about(
            "Parts of the input: a number or true and false as it is, a text by its length, a list of numbers"
            " by its norm and eight projections.",
            allowed=f"a list of at most {MOST_INPUTS} JSON pointers",
            default="none",
        ),
    ] = ()
    confidence: Annotated[
        OutputPointer | None,
        about("A number in the output: how sure the model is.", allowed=_A_POINTER, default="none"),
    ] = None
    label: Annotated[
        OutputPointer | None,
        about(
            "A short text or whole number in the output, counted by value.",
            allowed=_A_POINTER,
            default="none",
        ),
    ] = None
    vector: Annotated[
        OutputPointer | None,
        about("A list of numbers in the output, or an output of bytes.", allowed=_A_POINTER, default="none"),
    ] = None
    webhook_url: Annotated[
        Annotated[str, Meta(pattern=r"^https?://[^\s\x00]+\Z", max_length=2_000)] | None,
        about(
            "Where alarms are sent, under the rules for a job's `callback_url`.",
            allowed="an https URL, or null",
            default="none",
        ),
    ] = None
    webhook_client: Annotated[
        Annotated[str, Meta(pattern=r"^[^\x00]+\Z", max_length=63)] | None,
        about(
            "The client whose webhook secret signs them.", allowed="a client's name, or null", default="none"
        ),
    ] = None
    purge_cache: Annotated[
        bool, about("At an alarm, no result that was stored before answers a job any more.")
    ] = False

    @property
    def on(self) -> bool:
        """Return whether jobs of the version are sampled."""
        return self.enabled or bool(self.inputs or self.outputs)

    @property
    def outputs(self) -> tuple[str, ...]:
        """Return the pointers into the output."""
        return tuple(p for p in (self.confidence, self.label, self.vector) if p is not None)
