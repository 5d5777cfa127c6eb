"""The options of `manage.py experiment`."""

from __future__ import annotations

from argparse import ArgumentParser

from jobs.models.experiments.experiment import EXPECTED


def add_experiment_arguments(parser: ArgumentParser) -> None:
    """Declare the verbs and their options."""
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="start|measure|conclude|reproduce")
    start = verbs.add_parser("start", help="Store a hypothesis and the load that tests it.")
    start.add_argument("--hypothesis", required=True, help="What is claimed, in a sentence.")
    start.add_argument(
        "--expect", choices=EXPECTED, default="better",
        help="What the candidate will be beside the baseline; default: %(default)s",
    )  # fmt: skip
    start.add_argument(
        "--load", required=True, metavar="WORDS",
        help="The options of `manage.py loadtest`, as one text: 'minilm --rate 50 --duration 1m --seed 7'.",
    )  # fmt: skip
    measure = verbs.add_parser("measure", help="Run the load for one arm, on the platform as it is now.")
    measure.add_argument("id", type=int)
    measure.add_argument("--arm", choices=("baseline", "candidate"), required=True)
    conclude = verbs.add_parser("conclude", help="Compare the newest measurements of both arms.")
    conclude.add_argument("id", type=int)
    reproduce = verbs.add_parser(
        "reproduce", help="Run the load again; exit status 1 where it disagrees with the candidate on record."
    )
    reproduce.add_argument("id", type=int)
    for verb in (measure, reproduce):
        verb.add_argument("--url", help="The API; without it that of the stack here.")
        verb.add_argument("--token", action="append", default=[], help="A bearer token; for each client app.")
