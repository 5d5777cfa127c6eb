"""Register one version of a model."""

from __future__ import annotations

from argparse import BooleanOptionalAction
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from models_registry.core.options import PlatformOptions
from models_registry.core.version import VersionInfo
from models_registry.management.actor import actor
from models_registry.management.environment_option import (
    add_environment,
    enter_environment,
    enter_environment_of,
)
from models_registry.management.json_argument import json_or_file
from models_registry.management.move_wait import wait_for
from models_registry.models import Loader
from models_registry.services import Asked, Terms, move_alias, register, register_folder, register_like
from models_registry.services.register_folder import is_folder
from models_registry.shared.platform_errors import PlatformError

JSON = ("input_schema", "output_schema", "example", "options", "origin")
PLATFORM = ", ".join(PlatformOptions.__struct_fields__)
MORE = {"options": f"; the platform reads {PLATFORM}; the loader reads the others"}
ARTIFACT = ("loader", "artifact", "source", "sha256")
LIMITS = {
    "max_batch": (int, "most items in a batch"),
    "max_padded_size": (int, "most items times the longest item's bytes in a batch; 0 for no limit"),
    "p95_goal_s": (float, "seconds from admission to result, at the 95th percentile"),
    "max_attempts": (int, "attempts of a job that does not set its own"),
}


class Command(BaseCommand):
    help = "Register one version of a model; to repeat it changes nothing, other contents are refused."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("name", help="the model's name, or its folder: ./my_model")
        parser.add_argument(
            "model_version",
            metavar="version",
            nargs="?",
            default="",
            help="the version, such as 1 or 2026-11; of a folder by default the start of its SHA-256",
        )
        parser.add_argument("--loader", choices=Loader.values, help="needed, but for a folder or with --like")
        parser.add_argument(
            "--like",
            default="",
            metavar="VERSION",
            help="a version of the same model: all that is not given here is as there",
        )
        parser.add_argument(
            "--artifact", default="", help="/path, path under MODEL_DIR, package:name/path, module:name"
        )
        parser.add_argument(
            "--source",
            default="",
            help="fetched once into the store: /path, s3://bucket/key, hf:org/name@commit,"
            " mlflow:models/name/3 or @alias; #path takes one file of it",
        )
        parser.add_argument("--signature", type=Path, help="file of an OpenSSF model signature")
        parser.add_argument(
            "--sha256", default="", help="of the file, or of the directory's model.safetensors"
        )
        for name in JSON:
            parser.add_argument(_flag(name), type=json_or_file, help=f"JSON, or @file{MORE.get(name, '')}")
        for name, (kind, text) in LIMITS.items():
            parser.add_argument(_flag(name), type=kind, help=text)
        parser.add_argument(
            "--pads",
            dest="padded",
            action=BooleanOptionalAction,
            help="pad items to the longest of a batch",
        )
        parser.add_argument(
            "--no-load", action="store_true", help="do not load the version in a process of its own first"
        )
        parser.add_argument(
            "--load-limit-s", type=float, default=300.0, help="seconds that this load may take (300)"
        )
        parser.add_argument(
            "--draft",
            action="store_true",
            help="route nothing to it until `version_state NAME:VERSION stage`",
        )
        parser.add_argument("--alias", action="append", default=[], help="point this alias at the version")
        add_environment(parser)

    def handle(self, *_args: Any, **options: Any) -> None:
        if options["draft"] and options["alias"]:
            raise CommandError("A draft gets no alias: stage it first.")
        if is_folder(options["name"]):
            self._register_folder(options)
            return
        enter_environment(**options)
        if options["like"]:
            self._register_like(options)
            return
        if not (options["model_version"] and options["loader"]):
            raise CommandError("Give a version and --loader; the folder of a model is written ./my_model.")
        fields = _given(options)
        source = {name: options[name] for name in ("name", "loader", "artifact", "source", "sha256")}
        try:
            version, signature = options["model_version"], _signature(options)
            asked = Asked(**source, version=version, signature=signature, contents=fields)
            registered = register(asked, actor=actor(), terms=_terms(options))
            self._point(registered.info, options["alias"])
        except (PlatformError, OSError) as error:
            raise CommandError(str(error)) from error
        self.stdout.write(f"{registered.info} is registered, sha256 {registered.info.sha256 or '-'}.")
        self.stdout.write(registered.trial)

    def _point(self, info: VersionInfo, aliases: Sequence[str]) -> None:
        for alias in aliases:
            moved = move_alias(name=info.model, alias=alias, version=info.version, actor=actor())
            wait_for(moved, self.stdout.write)

    def _register_like(self, options: dict[str, Any]) -> None:
        if given := [name for name in (*ARTIFACT, "signature") if options[name]]:
            raise CommandError(f"--{given[0]} and --like: the artifact is that of the other version.")
        if not options["model_version"]:
            raise CommandError("Give the new version a name, such as 2.")
        ref = f"{options['name']}:{options['like']}"
        try:
            registered = register_like(
                ref=ref,
                version=options["model_version"],
                changes=_given(options),
                actor=actor(),
                terms=_terms(options),
            )
            self._point(registered.info, options["alias"])
        except (PlatformError, OSError) as error:
            raise CommandError(str(error)) from error
        self.stdout.write(f"{registered.info} is registered, like {ref}.")
        self.stdout.write(registered.trial)

    def _register_folder(self, options: dict[str, Any]) -> None:
        enter_environment_of(Path(options["name"]), **options)
        names = (*JSON, *LIMITS, "padded", *ARTIFACT, "like")
        if given := [name for name in names if options[name]]:
            raise CommandError(f"Of a folder, {given[0]} is not an option: set it in model.toml or @model.")
        try:
            info = register_folder(
                folder=Path(options["name"]),
                version=options["model_version"],
                signature=_signature(options),
                terms=_terms(options),
                actor=actor(),
            )
            self._point(info, options["alias"])
        except (PlatformError, OSError) as error:
            raise CommandError(str(error)) from error
        self.stdout.write(f"{info} is registered, sha256 {info.sha256}.")


def _given(options: dict[str, Any]) -> dict[str, Any]:
    return {name: options[name] for name in (*JSON, *LIMITS, "padded") if options[name] is not None}


def _terms(options: dict[str, Any]) -> Terms:
    return Terms(tries=not options["no_load"], load_limit_s=options["load_limit_s"], draft=options["draft"])


def _signature(options: dict[str, Any]) -> bytes:
    path: Path | None = options["signature"]
    return path.read_bytes() if path else b""


def _flag(name: str) -> str:
    return "--" + name.replace("_", "-")
