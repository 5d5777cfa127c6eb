"""The settings of workers: batches, models, and webhooks that the CPU worker sends."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from msgspec import Meta

from inference_site.environment import Positive, Seconds, Threads, Words
from models_registry.core.struct_fields import about


@dataclass(frozen=True)
class WorkerConfig:
    """What a worker may load and run, and for how long."""

    zone: Annotated[
        str,
        Meta(max_length=63),
        about(
            "The zone that this host is in: rows of workers and autoscalers show it.",
            allowed="a name such as eu-1a",
        ),
    ] = ""
    scale_idle_s: Annotated[
        Seconds,
        about("Seconds without a job after which a model needs no worker; the relay decides by it."),
    ] = 600.0
    scale_cooldown_s: Annotated[
        Seconds,
        about("Seconds for which a model must need fewer workers before the number it needs goes down."),
    ] = 300.0
    scale_start_limit_s: Annotated[
        Seconds,
        about("Seconds after which an autoscaler kills a worker that starts and does not serve yet."),
    ] = 3_600.0
    cpu_worker_threads: Annotated[
        Threads,
        about("Threads of the CPU worker, for ordinary tasks; none waits for a receiver of webhooks."),
    ] = 16
    batch_input_bytes: Annotated[
        Positive, about("Bytes of memory for the inputs of one batch; a larger input runs alone.")
    ] = 256_000_000
    worker_grace_s: Annotated[Seconds, about("Seconds that a stopping worker has to finish its batches.")] = (
        25.0
    )
    batch_limit_s: Annotated[
        Seconds, about("Seconds that a batch may take before its worker is ended and started again.")
    ] = 60.0
    load_limit_s: Annotated[
        Positive,
        about(
            "Seconds that loading a version may take, warm-up included. A load that takes longer has failed,"
            " and its worker ends once its batches have, and is started again."
        ),
    ] = 600
    keep_warm_s: Annotated[
        Seconds,
        about("Seconds that a worker prefers to keep a version in memory after an alias has left it."),
    ] = 3_600.0
    webhook_internal_hosts: Annotated[
        Words,
        about(
            "Private hosts that webhooks may be sent to, beside all public ones.", allowed="names with commas"
        ),
    ] = ()
    webhook_ca_file: Annotated[
        str,
        about(
            "Certificates of authorities that sign receivers of webhooks, trusted beside the public ones.",
            allowed="the path of a PEM file",
        ),
    ] = ""
    gpu_lock_dir: Annotated[
        str,
        about(
            "The folder of the locks by which workers of a host with `--gpu auto` share its GPUs.",
            allowed="a path",
            default="one of this user in the system's folder for temporary files",
        ),
    ] = ""
    model_dir: Annotated[str, about("The folder that relative artifacts are in.", allowed="a path")] = ""
    envs_dir: Annotated[
        str, about("The folder of environments that `manage.py make_env` makes.", allowed="a path")
    ] = ".run/envs"
    artifact_cache_dir: Annotated[
        str, about("The folder of this host for copies of stored artifacts.", allowed="a path")
    ] = ".run/artifacts"
    artifact_cache_mb: Annotated[
        Positive, about("MiB that these copies take, and the largest artifact that is taken into the store.")
    ] = 20_480
    model_signers: Annotated[
        Words,
        about("Files of public keys; an artifact needs the signature of one.", allowed="paths, with commas"),
    ] = ()
    model_sources: Annotated[
        Words,
        about(
            "Prefixes of sources that clients may register models from.",
            allowed="s3://bucket/, hf:org/ or mlflow:models/, with commas",
        ),
    ] = ()
    model_entry_points: Annotated[
        Words,
        about("Python callables that may be loaded as models.", allowed="package.module:name, with commas"),
    ] = ()
    model_folders: Annotated[
        Words,
        about(
            "Models whose folders of Python code may be loaded, by name or by the files' SHA-256; *: all.",
            allowed="names or hashes, with commas",
        ),
    ] = ()
    allow_torch_programs: Annotated[
        bool, about("Load TorchScript and torch.export programs, which can run any code.")
    ] = False
