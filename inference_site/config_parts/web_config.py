"""The settings of the web servers: addresses, limits of calls, and waiting ones."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from msgspec import Meta

from inference_site.environment import PageUrl, Positive, SiteUrl, Threads, Whole, Words
from models_registry.core.struct_fields import about


@dataclass(frozen=True)
class WebConfig:
    """Who may call, from where, how much at once and for how long."""

    debug: Annotated[bool, about("Django's debug mode; never in production.")] = False
    allowed_hosts: Annotated[
        Words, about("Host names that requests may be for.", allowed="names with commas between")
    ] = ("127.0.0.1", "localhost")
    api_url: Annotated[
        SiteUrl,
        about("The address of `web` for clients; https makes the admin refuse http.", allowed="a URL"),
    ] = "http://127.0.0.1:8000"
    stream_url: Annotated[
        SiteUrl, about("The address of `stream` for clients: waiting calls go there.", allowed="a URL")
    ] = "http://127.0.0.1:8001"
    flower_url: Annotated[PageUrl, about("The address of Flower for people: the admin links there.")] = ""
    admin_two_factor: Annotated[
        bool, about("Ask everybody at the admin for a second factor, which `manage.py two_factor` makes.")
    ] = False
    client_requests_per_s: Annotated[
        Whole, about("Jobs a second of a client that `create_token` creates; 0: no limit.")
    ] = 1_000
    client_bytes_per_s: Annotated[
        Whole, about("Bytes of input a second of a client that `create_token` creates; 0: no limit.")
    ] = 100_000_000
    client_most_in_flight: Annotated[
        Whole, about("Jobs that wait or run of a client that `create_token` creates; 0: no limit.")
    ] = 50_000
    trusted_proxy_hops: Annotated[
        Whole, about("Proxies in front whose X-Forwarded-For and X-Forwarded-Proto are believed.")
    ] = 0
    web_workers: Annotated[Threads, about("Processes of `web` in the stack of `make up`.")] = 2
    web_threads: Annotated[Threads, about("Threads of each `web` process for short calls.")] = 8
    web_long_threads: Annotated[
        Threads, about("Threads of each `web` process for bulk calls, streams, erasures, long bodies.")
    ] = 4
    max_body_bytes: Annotated[Positive, about("Bytes of a request's body, at most.")] = 1_000_000
    max_bulk_body_bytes: Annotated[Positive, about("Bytes of a bulk call's body, at most.")] = 64_000_000
    max_upload_bytes: Annotated[Positive, about("Bytes of an uploaded file, at most.")] = 100_000_000
    max_resolved_bytes: Annotated[
        int,
        Meta(ge=1, le=2**31 - 1),
        about("Bytes of an input with its files in their places, each as often as the input refers to it."),
    ] = 150_000_000
    body_patience_s: Annotated[
        Positive, about("Seconds that a client has to send a body, beside the time for its size.")
    ] = 10
    open_bodies: Annotated[
        Positive, about("Bodies that arrive at once at each `web` process; a client's are a quarter at most.")
    ] = 1_024
    open_body_bytes: Annotated[
        Positive,
        about("Bytes of bodies that each `web` process holds; a client's are a quarter at most."),
    ] = 1_000_000_000
    sending_bytes: Annotated[
        Positive,
        about("Bytes of large results that a process sends at once; a client's are half of them at most."),
    ] = 50_000_000
    body_dir: Annotated[
        str,
        about(
            "The folder of long bodies, encrypted, until their calls are answered.",
            allowed="a path",
            default="one of this user in the system's folder for temporary files",
        ),
    ] = ""
    result_wait_limit_s: Annotated[
        Positive,
        about("Seconds that a call waits for a result, at most; below the limit of proxies, often 60."),
    ] = 55
    events_heartbeat_s: Annotated[Positive, about("Seconds between heartbeats of an event stream.")] = 15
    waits_per_client: Annotated[
        Positive, about("Calls of one client that wait at once at each process of `web` and `stream`.")
    ] = 1_000
    streams_per_client: Annotated[
        Positive,
        about(
            "Event streams of one client at once at each process of `web` and `stream`; of submits, as many."
        ),
    ] = 1_000
