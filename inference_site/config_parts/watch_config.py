"""The settings of what is watched: metrics, logs, traces, and the stack's file."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from msgspec import Meta

from inference_site.environment import Whole
from models_registry.core.struct_fields import about


@dataclass(frozen=True)
class WatchConfig:
    """What a process tells of itself, and where."""

    metrics_port: Annotated[
        int, Meta(ge=0, le=65_535), about("The port of a process's /metrics; 0: not served.")
    ] = 0
    metrics_host: Annotated[str, about("The address that /metrics is served on.", allowed="an address")] = (
        "127.0.0.1"
    )
    metrics_on_api: Annotated[
        bool, about("Serve /metrics on the API's port too, without a token, although it names clients.")
    ] = False
    log_format: Annotated[
        Literal["text", "json"], about("Whether a line of a log is for people, or JSON with known fields.")
    ] = "text"
    log_level: Annotated[
        Literal["debug", "info", "warning", "error", "critical"],
        about("The least level that is logged; each call of the API is logged at info."),
    ] = "info"
    process_name: Annotated[
        str, about("The name of a process in its log.", allowed="a text", default="its kind, such as relay")
    ] = ""
    trace_caller_per_s: Annotated[
        Whole,
        about("Calls a second of a client that are traced because their caller says so, at each process."),
    ] = 10
    trace_url: Annotated[
        str,
        Meta(pattern=r"^(https?://\S*\{trace_id\}\S*)?$"),
        about(
            "Where a trace is shown, with {trace_id} in it: a job's page in the admin links there.",
            allowed="a URL such as https://jaeger.example/trace/{trace_id}",
        ),
    ] = ""
    health_dir: Annotated[
        str,
        about(
            "The folder in which workers and beat leave marks of their work, for `manage.py health`.",
            allowed="a path",
            default="one of this user in the system's folder for temporary files",
        ),
    ] = ""
    prometheus_multiproc_dir: Annotated[
        str, about("A folder in which the processes of a host count together.", allowed="a path")
    ] = ""
    stack_json: Annotated[
        str,
        about(
            "The file that describes the running stack, for `demo`.",
            allowed="a path",
            default=".run/stack.json",
        ),
    ] = ""
