"""`manage.py demo`: embeds real sentences through the whole system, searches them and prints the figures."""

from __future__ import annotations

import json
import os
import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

import httpx
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db.models import Avg
from rich.console import Console

from inference_client import Client, PlatformRefusedError, RemoteJob
from jobs.management.demo.corpus import sentences
from jobs.management.demo.demo_app import DemoError, answer, progress, submit
from jobs.management.demo.demo_report import show_figures, show_next, show_progress, show_search
from jobs.management.demo.direct import best_direct
from jobs.management.demo.figures import Figures, figures
from jobs.management.demo.semantic_search import closest
from jobs.models import Batch
from jobs.models import Job as JobRow
from models_registry.pool import ModelPool
from models_registry.selectors import resolve

PROJECT = Path(__file__).resolve().parents[3]
MODEL = "minilm"
QUERY = "How do I handle an error that was raised?"
LIMIT_S = 170.0


class Command(BaseCommand):
    help = "Embed real sentences with the real MiniLM through a running stack, and search them."
    requires_system_checks = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--sentences", type=int, default=1_500, help="sentences to embed, at least 1,000")
        parser.add_argument("--query", default=QUERY, help="the text to search for")
        parser.add_argument("--sample", type=int, default=512, help="sentences for the model alone")

    def handle(self, *_: Any, **options: Any) -> None:
        stack = _stack()
        _ensure_database(stack)
        console = Console()
        try:
            result = _run(console, stack, options)
        except (DemoError, PlatformRefusedError, httpx.HTTPError) as error:
            raise CommandError(str(error)) from error
        result.write(PROJECT / ".run" / "demo.json")
        if result.succeeded < result.jobs:
            raise CommandError(f"{result.jobs - result.succeeded} jobs did not succeed")
        show_next(console)


def _stack() -> dict[str, Any]:
    path = Path(settings.INFERENCE.stack_json or PROJECT / ".run" / "stack.json")
    if not path.exists():
        raise CommandError(f"no stack is running ({path} is missing): `make demo` starts one for itself")
    stack: dict[str, Any] = json.loads(path.read_text())
    return stack


def _ensure_database(stack: dict[str, Any]) -> None:
    # The demo also reads batches and the registry from the database. Django has read its settings by now, so
    # the process starts again, with the stack's addresses in its environment.
    if not settings.INFERENCE.database_url:
        addresses = {"DATABASE_URL": stack["database"], "BROKER_URL": stack["broker"]}
        os.execve(sys.executable, [sys.executable, *sys.argv], {**os.environ, **addresses})  # noqa: S606  # itself again


def _run(console: Console, stack: dict[str, Any], options: dict[str, Any]) -> Figures:
    texts = sentences(options["sentences"])
    console.print(
        f"{len(texts)} sentences of Python's own help, each a job for the model {MODEL!r}, priorities 0 to 9"
    )
    with Client(stack["api"], stack["token"]) as platform:
        # One job before the clock starts loads the model on the worker: the direct runs have it loaded too.
        answer(platform, MODEL, {"text": options["query"]})
        ids = submit(platform, [_request(text, index % 10) for index, text in enumerate(texts)])
        show_progress(console, progress(platform, ids, limit_s=LIMIT_S), total=len(ids))
        done = [platform.get(job) for job in ids]
        _search(console, platform, options["query"], dict(zip(texts, done, strict=True)))
    return _measure(console, texts, done, sample=options["sample"])


def _request(text: str, priority: int) -> dict[str, Any]:
    return {"model": MODEL, "input": {"text": text}, "priority": priority}


def _search(console: Console, platform: Client, query: str, done: dict[str, RemoteJob]) -> None:
    job = answer(platform, MODEL, {"text": query})
    if job.state != "succeeded":
        raise DemoError(f"the search's own job ended {job.state}: {job.error}")
    corpus = {text: job.output["embedding"] for text, job in done.items() if job.state == "succeeded"}
    show_search(console, query, closest(job.output["embedding"], corpus, count=5))


def _measure(console: Console, texts: list[str], done: list[RemoteJob], *, sample: int) -> Figures:
    console.print("the same model alone, in this process, for comparison …")
    runner = ModelPool("cpu").runner(resolve(MODEL).id).runner
    size, direct_per_s = best_direct(runner, [{"text": text} for text in texts], sample=sample)
    result = figures(done, mean_batch=_mean_batch(done), direct_per_s=direct_per_s)
    show_figures(console, result, direct_per_s=direct_per_s, size=size)
    return result


def _mean_batch(done: list[RemoteJob]) -> float:
    batches = JobRow.objects.filter(id__in=[job.id for job in done]).values("batch")
    return float(Batch.objects.filter(id__in=batches).aggregate(mean=Avg("size"))["mean"] or 0.0)
