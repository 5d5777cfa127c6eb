"""While a stage works on confidential data, nothing that the model prints or logs comes out."""

from __future__ import annotations

import subprocess
import sys

SECRET = "maxima-muster"
PROGRAM = f"""
import logging, sys, threading, traceback, warnings
logging.basicConfig(stream=sys.__stderr__, format="%(name)s: %(message)s", level=0)
from jobs.worker import quiet
from models_registry.loaders import builtin
quiet.install()

def speak():
    print("{SECRET}")
    warnings.warn("{SECRET}")
    logging.getLogger("model").error("about %s", "{SECRET}")
    logging.getLogger("jobs.worker").error("about %s", "{SECRET}")
    try:
        raise ValueError("{SECRET}")
    except ValueError:
        logging.getLogger("model").exception("{SECRET}", stack_info=True)
        traceback.print_exc()

def fail():
    speak()
    raise ValueError("{SECRET}")

other = threading.Thread(target=lambda: (go.wait(), print("another thread")))
go = threading.Event()
other.start()
with quiet.quiet(on=True):
    speak()
    go.set()
    other.join()
    own = threading.Thread(target=fail)
    own.start()
    own.join()
    with quiet.quiet(on=False):
        print("inner")
print("after")
logging.error("after %s", "all")
"""


def test_a_model_s_words_are_kept_out_of_the_output_and_others_are_not() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True)
    assert SECRET not in done.stdout + done.stderr
    assert done.stdout.split("\n") == ["another thread", "inner", "after", ""]
    assert done.stderr.count("is not logged") == 6
    assert "jobs.worker.quiet: a thread of a model ended by ValueError" in done.stderr
    assert "root: after all" in done.stderr
