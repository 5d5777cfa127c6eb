"""A test that this machine cannot run: neither a success nor a failure, with an exit status of its own.

`.ci/run` knows the status, too.
"""

from __future__ import annotations

DID_NOT_RUN = 77  # as in automake's tests; argparse ends with 2 where a word is wrong
BANNER = "!" * 100


def did_not_run(command: str, why: object) -> int:
    """Print that a command did not run here and what is missing; return the status for that."""
    print(f"{BANNER}\n{command} did NOT run: {why}\n{BANNER}")
    return DID_NOT_RUN
