"""One load test from its options to its report."""

from __future__ import annotations

import asyncio
import resource
import signal
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from datetime import UTC, datetime

import msgspec
import uvloop

from jobs.core.loadtest.load_plan import PlannedCall
from jobs.core.loadtest.load_report import LoadReport, LoadSettings
from jobs.core.loadtest.load_words import LoadWordError, MixPart
from jobs.management.loadtest.http_lines import LOST, HttpLines
from jobs.management.loadtest.job_followers import JobFollowers
from jobs.management.loadtest.late_ends import read_late_ends
from jobs.management.loadtest.load_arguments import LoadArguments, check_host, is_loopback, sendable
from jobs.management.loadtest.load_figures import report_of
from jobs.management.loadtest.load_record import LoadRecord
from jobs.management.loadtest.load_sources import LoadTarget, planned_calls, read_inputs, target_of
from jobs.management.loadtest.open_loop import OpenLoop
from jobs.management.loadtest.platform_calls import PlatformCalls, UnreachableError, UnusableTargetError
from jobs.management.loadtest.webhook_ear import webhook_ear
from models_registry.core.registry_errors import ModelNotFoundError

FILES = 20_000  # a waiting job holds a connection
WARM_PER_S, WARM = 20.0, (4, 64)  # connections that are open before the start
Watch = Callable[[LoadRecord, "Clock"], None]


class Clock:
    """The seconds since the start of a run, below 0 before it, for who watches from another thread."""

    def __init__(self) -> None:
        self.now_s: Callable[[], float] = lambda: -1.0


def run_load(arguments: LoadArguments, watch: Watch = lambda _record, _clock: None) -> LoadReport:
    """Send the load, follow it to its end, and return the report; `watch` may show the record as it grows.

    LoadWordError and UnusableTargetError: nothing was sent, UnreachableError: no server answers.
    """
    target = target_of(arguments)
    check_host(target.url, arguments.allow_host)
    if arguments.wait == "webhook" and not is_loopback(target.url):
        raise LoadWordError(
            "--wait webhook: it listens on loopback, so only a platform on this machine reaches it"
        )
    inputs = {model: read_inputs(path) for model, path in arguments.inputs.items()}
    record = LoadRecord(planned_calls(arguments, len(target.tokens)))
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(_run(arguments, target, inputs, record, watch))


async def _run(
    arguments: LoadArguments,
    target: LoadTarget,
    inputs: dict[str, list[msgspec.Raw]],
    record: LoadRecord,
    watch: Watch,
) -> LoadReport:
    async with AsyncExitStack() as stack:
        lines = HttpLines(most=_room_for_files(), tls=arguments.tls)
        stack.callback(lines.close)
        calls = PlatformCalls(target.url, target.tokens, lines, sendable(target.url, arguments.allow_host))
        calls.use_inputs(await _inputs(calls, arguments.mix, inputs))
        followers = JobFollowers(calls)
        if arguments.wait == "webhook":
            calls.callback_url = await stack.enter_async_context(webhook_ear(followers.webhook))
        loop = OpenLoop(calls, record, followers.named(arguments.wait), bulk=arguments.bulk > 0)
        await _warm(lines, target.url, record.calls)
        abandoned = await stack.enter_async_context(_interrupts(loop))
        began = datetime.now(UTC)
        await _load(loop, calls, record, (arguments, watch), abandoned)
        return report_of(record, settings_of(arguments, target, record), arguments.goals, began)


async def _load(
    loop: OpenLoop,
    calls: PlatformCalls,
    record: LoadRecord,
    options: tuple[LoadArguments, Watch],
    abandoned: asyncio.Event,
) -> None:
    arguments, watch = options
    clock, own = Clock(), asyncio.get_running_loop()
    watch(record, clock)
    sending = own.create_task(loop.send())
    await asyncio.sleep(0)
    clock.now_s = lambda: own.time() - loop.start
    await sending
    deadline = own.time() + arguments.follow_s
    await loop.follow(arguments.follow_s)
    await read_late_ends(calls, record, max(0.0, deadline - own.time()), abandoned)


async def _inputs(
    calls: PlatformCalls, mix: list[MixPart], given: dict[str, list[msgspec.Raw]]
) -> dict[str, list[msgspec.Raw]]:
    """Return the inputs of each model: of its file, of the file for all, or its example."""
    inputs = {}
    for model in dict.fromkeys(part.model for part in mix):
        try:
            example = await calls.example(model)
        except ModelNotFoundError as error:
            raise UnusableTargetError(str(error)) from None
        own = given.get(model) or given.get("")
        if own is None and example is None:
            raise LoadWordError(f"{model} has no example: give its inputs with --input {model}=FILE.jsonl")
        inputs[model] = own or [msgspec.Raw(msgspec.json.encode(example))]
    if unknown := set(given) - {"", *inputs}:
        raise LoadWordError(f"--input: {', '.join(sorted(unknown))} is not in the mix")
    return inputs


async def _warm(lines: HttpLines, url: str, calls: Sequence[PlannedCall]) -> None:
    span_s = max(1.0, calls[-1].at_s)
    least, most = WARM
    try:
        await lines.warm(url, min(most, max(least, round(len(calls) / span_s / WARM_PER_S))))
    except LOST as error:
        raise UnreachableError(f"{url} takes no connections: {error}") from error


@asynccontextmanager
async def _interrupts(loop: OpenLoop) -> AsyncIterator[asyncio.Event]:
    """Let Ctrl-C end the sending, and a second one the waiting; there is a report of what was sent."""
    own, abandoned = asyncio.get_running_loop(), asyncio.Event()

    def stop() -> None:
        if loop.stopped:
            loop.abandon()
            abandoned.set()
        loop.stop()

    with suppress(RuntimeError, ValueError):  # not in a thread beside the main one
        own.add_signal_handler(signal.SIGINT, stop)
    try:
        yield abandoned
    finally:
        with suppress(RuntimeError, ValueError):
            own.remove_signal_handler(signal.SIGINT)


def _room_for_files() -> int:
    """Raise the limit of open files as far as it goes, and return how many connections there is room for."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = FILES if hard == resource.RLIM_INFINITY else min(FILES, hard)
    if soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    return max(wanted, soft) // 3  # to each of two servers


def settings_of(arguments: LoadArguments, target: LoadTarget, record: LoadRecord) -> LoadSettings:
    """Return the settings that the report names."""
    last_s = record.calls[-1].at_s
    intended = sum(len(call.jobs) for call in record.calls)
    duration_s = max(1.0, last_s) if arguments.replay else arguments.duration_s
    return LoadSettings(
        target=target.url,
        profile="replay" if arguments.replay else arguments.profile.value,
        rate=round(intended / duration_s, 3),
        duration_s=duration_s,
        seed=arguments.seed,
        mix={part_name(part): part.weight for part in arguments.mix},
        mode=f"bulk:{arguments.bulk}" if arguments.bulk else "single",
        wait=arguments.wait,
        clients=len(target.tokens),
        replay=arguments.replay,
        speed=arguments.speed,
    )


def part_name(part: MixPart) -> str:
    """Return a part of the mix as it is written."""
    return part.model if part.priority is None else f"{part.model}/{part.priority}"
