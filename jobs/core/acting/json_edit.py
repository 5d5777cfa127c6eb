"""An edit of many inputs at once: a JSON Patch (RFC 6902) with bounds. Pure.

Without bounds thirty copies of a document into itself fill any memory.
"""

from __future__ import annotations

from typing import Any

import jsonpatch
import msgspec

from jobs.core.errors import MalformedRequestError

MOST_CHARS = 20_000
MOST_OPERATIONS = 100
MOST_COPIES = 5


class JsonEdit:
    """A patch that was read; it changes no value that it is applied to."""

    def __init__(self, text: str) -> None:
        """Read a patch; MalformedRequestError says what is wrong with it."""
        if len(text) > MOST_CHARS:
            raise MalformedRequestError(f"The patch is longer than {MOST_CHARS:,} characters.")
        try:
            # Stricter than the library's own reader, which takes NaN and lone surrogates.
            self._patch = jsonpatch.JsonPatch(msgspec.json.decode(text))
            operations = list(self._patch)
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
            raise MalformedRequestError(f"It is no JSON Patch: {error}") from None
        except (jsonpatch.JsonPatchException, jsonpatch.JsonPointerException) as error:
            raise MalformedRequestError(f"It is no JSON Patch: {error}") from None
        if not 0 < len(operations) <= MOST_OPERATIONS:
            raise MalformedRequestError(f"A patch has 1 to {MOST_OPERATIONS} operations.")
        if sum(operation["op"] == "copy" for operation in operations) > MOST_COPIES:
            raise MalformedRequestError(f"A patch has at most {MOST_COPIES} copies.")

    def applied(self, value: Any) -> Any:
        """Return the edited value; MalformedRequestError where an operation does not apply to it."""
        try:
            return self._patch.apply(value)
        except (jsonpatch.JsonPatchException, jsonpatch.JsonPointerException, TypeError, ValueError) as error:
            raise MalformedRequestError(f"The patch does not apply: {error}") from None
        except RecursionError:
            raise MalformedRequestError("The patch or the edited value nests too deep.") from None
