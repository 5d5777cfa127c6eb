"""The options that each loader declares: checked when a version is registered, read when it is loaded.

Those of an operator's entry point are known only where it is imported: `check_entry_options` runs in the
trial's process. A worker refuses no unknown option, because a registered version never changes.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Annotated, Any, Literal, Self

import msgspec
from msgspec import Meta, Struct

from models_registry.core.options import LIMITS, PlatformOptions, ProfileLimits, Profiles
from models_registry.core.registry_errors import LoaderRefusedError, RegistrationError
from models_registry.core.struct_fields import FieldRow, about, did_you_mean, field_rows, first_fault
from models_registry.loaders.builtin import BASE_S, PER_ITEM_S, STEP_S, STEPS
from models_registry.loaders.entry_point import BUILT_IN, declared_options, find, own_options

Seconds = Annotated[float, Meta(ge=0)]
Share = Annotated[float, Meta(ge=0, le=1)]


class LoaderOptions(Struct, frozen=True):
    """The options of a loader that has none; the base of the others."""

    @classmethod
    def of(cls, options: Mapping[str, Any]) -> Self:
        """Read the loader's options out of a version's; LoaderRefusedError names the first that is wrong."""
        own = {name: options[name] for name in cls.__struct_fields__ if name in options}
        try:
            # Not strict: versions that are registered already may hold "8" for 8, or 1 for true.
            return msgspec.convert(own, cls, strict=False)
        except msgspec.ValidationError:
            raise LoaderRefusedError(first_fault(cls, own, strict=False)) from None


class TransformerOptions(LoaderOptions, frozen=True):
    """How a directory of safetensors is loaded."""

    kind: Annotated[
        Literal["auto", "embedding", "sparse", "multi_vector", "cross_encoder"],
        about("What the encoder makes; `auto`: what its directory says."),
    ] = "auto"
    dtype: Annotated[
        Literal["auto", "float32", "bfloat16", "float16"],
        about("The type that the weights are converted to; `auto`: the fastest that the device runs well."),
    ] = "auto"
    max_length: Annotated[
        Annotated[int, Meta(ge=1)] | None,
        about("Tokens of a text that are read; the rest is cut off.", default="the tokenizer's"),
    ] = None
    compile: Annotated[
        bool, about("Compile the model with torch.compile, and run batches of several lengths at the load.")
    ] = False
    int8_ranges: Annotated[
        tuple[tuple[float, ...], tuple[float, ...]] | None,
        about(
            "The least and the greatest value of each dimension, for the precisions `int8` and `uint8`.",
            allowed="two lists of numbers or null",
            default="none",
        ),
    ] = None
    pairs_per_run: Annotated[
        int, Meta(ge=1), about("Pairs of texts that a cross-encoder scores at a time.")
    ] = 32


class ProgramOptions(LoaderOptions, frozen=True):
    """How a TorchScript or torch.export program is called."""

    dtype: Annotated[
        Literal["float32", "float64", "float16", "bfloat16", "int32", "int64"],
        about("The type of the input tensor."),
    ] = "float32"
    input: Annotated[str, about("The property of a job's input that holds the numbers.")] = "data"
    outputs: Annotated[
        tuple[str, ...],
        Meta(min_length=1),
        about("The names of the program's tensors in a job's output, in order.", allowed="a list of names"),
    ] = ("data",)


class OnnxOptions(LoaderOptions, frozen=True):
    """How an ONNX graph is run."""

    threads: Annotated[int, Meta(ge=1, le=256), about("Threads of one run on the CPU.")] = 2
    batch: Annotated[
        Literal["auto", "first", "none"],
        about(
            "Which axis counts the items of a batch: as the graph names it, the first one, or none: items run"
            " one after the other, and their arrays have all axes of the graph."
        ),
    ] = "auto"
    provider: Annotated[
        Literal["auto", "cpu", "cuda"],
        about("Where the graph runs; `auto`: on the worker's GPU if the installed runtime can, else CPU."),
    ] = "auto"


class SklearnOptions(LoaderOptions, frozen=True):
    """How an estimator of scikit-learn is called, and which types its file may hold."""

    method: Annotated[
        Literal["predict", "predict_proba", "transform", "decision_function"],
        about("The estimator's method that answers."),
    ] = "predict"
    trusted: Annotated[
        tuple[str, ...],
        about(
            "Types that the file may hold beside those that skops trusts. Those of other packages than"
            " scikit-learn need ALLOW_TORCH_PROGRAMS=1, because making them can run any code.",
            allowed="a list of names such as `package.module.Type`",
        ),
    ] = ()


class TreesOptions(LoaderOptions, frozen=True):
    """What a model of XGBoost or LightGBM answers."""

    output: Annotated[
        Literal["value", "margin", "contributions"],
        about("The prediction, the raw score, or what each feature adds to it."),
    ] = "value"
    labels: Annotated[
        tuple[str, ...],
        about(
            "Names of a classifier's classes: the output then has the most probable one and the"
            " probabilities of all.",
            allowed="a list of names",
        ),
    ] = ()
    threads: Annotated[int, Meta(ge=1, le=256), about("Threads of one run on the CPU.")] = 2


class PipelineOptions(LoaderOptions, frozen=True):
    """What a pipeline of Hugging Face does."""

    task: Annotated[
        Literal[
            "text-classification",
            "token-classification",
            "zero-shot-classification",
            "image-classification",
            "audio-classification",
        ],
        about("What the model does."),
    ] = "text-classification"
    top_k: Annotated[int, Meta(ge=1), about("Labels in the output, the best ones.")] = 5
    aggregation: Annotated[
        Literal["none", "simple", "first", "average", "max"],
        about("How tokens become entities, for `token-classification`."),
    ] = "simple"
    dtype: Annotated[
        Literal["float32", "bfloat16", "float16"], about("The type that the weights are converted to.")
    ] = "float32"


class SleeperOptions(LoaderOptions, frozen=True):
    """How long the built-in sleeper takes for a batch."""

    base_s: Annotated[Seconds, about("Seconds that each batch takes.")] = BASE_S
    per_item_s: Annotated[Seconds, about("Seconds that each item adds.")] = PER_ITEM_S


class StepperOptions(LoaderOptions, frozen=True):
    """How many steps the built-in stepper takes, and how long each is."""

    steps: Annotated[int, Meta(ge=0), about("Steps that a batch takes.")] = STEPS
    step_s: Annotated[Seconds, about("Seconds that a step takes.")] = STEP_S


class FaultyOptions(LoaderOptions, frozen=True):
    """The memory that the built-in faulty model pretends to have."""

    fits: Annotated[int, Meta(ge=0), about("Items that fit into memory; 0: any number.")] = 0


class FlakyOptions(LoaderOptions, frozen=True):
    """On which share of inputs the built-in `flaky` model fails, and how."""

    error_share: Annotated[Share, about("Share of inputs on which it raises an error.")] = 0.0
    wrong_share: Annotated[Share, about("Share of inputs whose output is wrong.")] = 0.0
    refuse_share: Annotated[Share, about("Share of inputs that it refuses as invalid.")] = 0.0
    kill_share: Annotated[Share, about("Share of inputs that kill the worker's process.")] = 0.0
    hang_share: Annotated[Share, about("Share of inputs on which a batch hangs for an hour.")] = 0.0
    slow_factor: Annotated[Seconds, about("Factor of both times.")] = 1.0
    salt: Annotated[str, about("Versions with equal salts fail on the same inputs first.")] = ""
    base_s: Annotated[Seconds, about("Seconds that each batch takes.")] = BASE_S
    per_item_s: Annotated[Seconds, about("Seconds that each item adds.")] = PER_ITEM_S


_OF_LOADER: Mapping[str, type[LoaderOptions]] = {
    "transformer": TransformerOptions,
    "torchscript": ProgramOptions,
    "export": ProgramOptions,
    "onnx": OnnxOptions,
    "sklearn": SklearnOptions,
    "xgboost": TreesOptions,
    "lightgbm": TreesOptions,
    "pipeline": PipelineOptions,
    "aotinductor": ProgramOptions,
}
_OF_ENTRY_POINT: Mapping[str, type[LoaderOptions]] = {
    BUILT_IN["echo"]: LoaderOptions,
    BUILT_IN["sleeper"]: SleeperOptions,
    BUILT_IN["stepper"]: StepperOptions,
    BUILT_IN["faulty"]: FaultyOptions,
    BUILT_IN["flaky"]: FlakyOptions,
}


def options_of(loader: str, artifact: str) -> type[LoaderOptions] | None:
    """Return the options that a version's loader declares; None for a callable of the operator's."""
    return _OF_ENTRY_POINT.get(artifact) if loader == "entry_point" else _OF_LOADER.get(loader)


def check_options(loader: str, artifact: str, options: Mapping[str, Any]) -> PlatformOptions:
    """Return the platform's options of a version; RegistrationError if any option is wrong or unknown."""
    platform, declared = PlatformOptions.of(options), options_of(loader, artifact)
    if declared is not None:
        refuse_unknown(declared.__struct_fields__, options)
        _check_values(declared, options)
    for kind in Profiles.__struct_fields__:
        _check_profile(declared, options, kind, platform.profiles.of(kind))
    return platform


def _check_values(declared: type[LoaderOptions], options: Mapping[str, Any]) -> None:
    try:
        declared.of(options)
    except LoaderRefusedError as error:
        raise RegistrationError(str(error)) from None


def _check_profile(
    declared: type[LoaderOptions] | None, options: Mapping[str, Any], kind: str, profile: Mapping[str, Any]
) -> None:
    """Raise RegistrationError unless the version has right limits and options with this profile."""
    limits = {name: value for name, value in profile.items() if name in LIMITS}
    if fault := first_fault(ProfileLimits, limits, prefix=f"profiles.{kind}."):
        raise RegistrationError(fault)
    own = {name: value for name, value in profile.items() if name not in LIMITS}
    names = None if declared is None else declared.__struct_fields__
    for name in own:
        if name in PlatformOptions.__struct_fields__ or (names is not None and name not in names):
            takes = ", ".join([*(names or ("the loader's options",)), *LIMITS])
            raise RegistrationError(f"There is no option profiles.{kind}.{name}. A profile takes {takes}.")
    if declared is not None and own:
        _check_values(declared, {**options, **own})


def check_entry_options(entry_point: str, options: Mapping[str, Any], allowed: Collection[str]) -> None:
    """Import an entry point of the operator's; RegistrationError for an unknown or wrong option."""
    declared = declared_options(find(entry_point, allowed))
    try:
        refuse_unknown(() if declared is None else declared.__struct_fields__, options)
    except RegistrationError as error:
        how = " Annotate the first parameter of the factory with a msgspec.Struct to declare options."
        raise RegistrationError(f"{error}{how if declared is None else ''}") from None
    if declared is not None:
        try:
            own_options(declared, options)
        except LoaderRefusedError as error:
            raise RegistrationError(str(error)) from None


def loader_option_rows() -> list[tuple[str, FieldRow]]:
    """Return the loader or built-in model and its row, for each option of each, for documentation."""
    kinds = [*_OF_LOADER.items(), *_OF_ENTRY_POINT.items()]
    return [(name.rpartition(":")[2], row) for name, kind in kinds for row in field_rows(kind)]


def refuse_unknown(own: Sequence[str], options: Mapping[str, Any]) -> None:
    """Raise RegistrationError for an option that is neither the platform's nor among the loader's own."""
    names = (*PlatformOptions.__struct_fields__, *own)
    for name in options:
        if name not in names:
            platform = ", ".join(PlatformOptions.__struct_fields__)
            raise RegistrationError(
                f"There is no option {name}{did_you_mean(name, names)} The loader's options:"
                f" {', '.join(own) or 'none'}. The platform's options: {platform}."
            )
