"""A model, its immutable versions, the aliases that point at them, and what workers hold in memory."""

from __future__ import annotations

from django.core.validators import RegexValidator
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from models_registry.core.version_states import VersionState

NAME = RegexValidator(r"^[a-z0-9][a-z0-9._-]{0,62}\Z", "Use lower-case letters, digits, dots, dashes.")


class Loader(models.TextChoices):
    """The kind of a version's artifact, for which there is one loader."""

    TRANSFORMER = "transformer", "directory of safetensors and tokenizer"
    TORCHSCRIPT = "torchscript", "TorchScript program"
    EXPORT = "export", "torch.export program"
    ENTRY_POINT = "entry_point", "Python entry point named in the settings"
    ONNX = "onnx", "ONNX file"
    SKLEARN = "sklearn", "scikit-learn estimator, as skops keeps it"
    XGBOOST = "xgboost", "XGBoost model, JSON or UBJSON"
    LIGHTGBM = "lightgbm", "LightGBM model, text"
    PIPELINE = "pipeline", "directory of a Hugging Face pipeline"
    AOTINDUCTOR = "aotinductor", "AOTInductor package"
    FOLDER = "folder", "folder with a model of your own"


class RegisteredModel(models.Model):
    """A model that jobs can name; its jobs wait in the queue `infer.<name>`."""

    name = models.CharField(max_length=63, unique=True, validators=[NAME])
    description = models.TextField(blank=True, default="")
    approvals = models.PositiveSmallIntegerField(
        default=0, db_default=0, help_text="People who have to approve a roll-out, beside whoever started it."
    )
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        verbose_name = "model"

    def __str__(self) -> str:
        return self.name


class ModelVersion(models.Model):
    """One immutable build of a model: artifact, hash, schemas and batching limits; only `state` changes."""

    model = models.ForeignKey(RegisteredModel, models.PROTECT, related_name="versions")
    version = models.CharField(max_length=63, validators=[NAME])
    loader = models.CharField(max_length=16, choices=Loader.choices)
    artifact = models.CharField(max_length=500, help_text="A path, or an entry point `package.module:name`.")
    sha256 = models.CharField(
        max_length=64, blank=True, default="", help_text="Of the artifact; checked at load."
    )
    input_schema = models.JSONField(default=dict, blank=True)
    output_schema = models.JSONField(default=dict, blank=True)
    example = models.JSONField(null=True, blank=True, help_text="An input to warm up with.")
    options = models.JSONField(default=dict, blank=True, help_text="Passed to the loader.")
    max_batch = models.PositiveIntegerField(default=64, help_text="Items in a batch, at most.")
    max_padded_size = models.PositiveIntegerField(
        default=0, help_text="Items times the longest item's size in a batch, at most; 0 for no limit."
    )
    padded = models.BooleanField(
        default=False,
        db_column="pads",
        help_text="Items of a batch are padded to the longest, so that length matters.",
    )
    p95_goal_s = models.FloatField(
        default=2.0, help_text="Seconds from admission to result, at the 95th percentile."
    )
    max_attempts = models.PositiveSmallIntegerField(default=3)
    state = models.CharField(
        max_length=7,
        choices=[(state.value, state.value) for state in VersionState],
        default=VersionState.STAGED.value,
        db_default=VersionState.STAGED.value,
        help_text="Only a staged version can be routed to.",
    )
    source = models.CharField(
        max_length=1000,
        blank=True,
        default="",
        db_default="",
        help_text="Where the stored artifact was fetched from, its branch or alias resolved.",
    )
    origin = models.JSONField(
        null=True, blank=True, help_text="Who trained it, on which data and code, and its metrics."
    )
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        verbose_name = "version"
        permissions = [
            ("register", "Can register versions of models"),
            ("block", "Can stage, retire, block and unblock versions"),
        ]
        constraints = [
            models.UniqueConstraint(fields=["model", "version"], name="version_once_per_model"),
            models.CheckConstraint(condition=Q(max_batch__gt=0), name="version_max_batch_positive"),
            models.CheckConstraint(condition=Q(p95_goal_s__gt=0), name="version_p95_goal_positive"),
        ]

    def __str__(self) -> str:
        return f"{self.model}:{self.version}"


class Alias(models.Model):
    """A movable name of a version; a job that names only the model gets the version of `default`."""

    model = models.ForeignKey(RegisteredModel, models.CASCADE, related_name="aliases")
    name = models.CharField(max_length=63, validators=[NAME])
    version = models.ForeignKey(ModelVersion, models.PROTECT, related_name="aliases")
    rule = models.ForeignKey(
        "models_registry.Rule",
        models.PROTECT,
        null=True,
        blank=True,
        db_constraint=False,
        db_index=False,
        related_name="+",
        help_text="The rule in force where it decides anything; empty: the version answers.",
    )
    changed_at = models.DateTimeField(auto_now=True)

    class Meta:
        verbose_name_plural = "aliases"
        permissions = [("move_alias", "Can move an alias to another version")]
        constraints = [models.UniqueConstraint(fields=["model", "name"], name="alias_once_per_model")]

    def __str__(self) -> str:
        return f"{self.model}@{self.name}"


class Promotion(models.Model):
    """Append-only record of a move of an alias, its actor and time; it outlives the rows that it names.

    A trigger refuses every change.
    """

    id = models.BigAutoField(primary_key=True)
    model = models.CharField(max_length=63)
    alias = models.CharField(max_length=63)
    before = models.CharField(max_length=63, blank=True, default="", help_text="Empty: the alias was made.")
    after = models.CharField(max_length=63)
    actor = models.CharField(max_length=127)
    address = models.GenericIPAddressField(null=True, help_text="Empty for a command.")
    reason = models.TextField(blank=True, db_default="", help_text="What a person gave as the reason.")
    at = models.DateTimeField(db_default=Now())

    class Meta:
        indexes = [models.Index("model", "alias", "id", name="promotion_by_alias")]

    def __str__(self) -> str:
        return f"{self.model}@{self.alias} to {self.after}"


class LoadState(models.TextChoices):
    """How far a worker is with a version."""

    LOADING = "loading"
    READY = "ready"
    FAILED = "failed"


class VersionLoad(models.Model):
    """A version that a worker holds, loads or cannot load; the row goes when the version leaves its memory.

    The rows of a worker that ended stay until a worker of its name starts: read them with the live workers.
    """

    id = models.BigAutoField(primary_key=True)
    version = models.ForeignKey(ModelVersion, models.CASCADE, related_name="loads")
    node = models.CharField(max_length=255, help_text="Celery's node name of the worker.")
    state = models.CharField(max_length=8, choices=LoadState.choices)
    since = models.DateTimeField(db_default=Now(), help_text="When the state began.")
    load_s = models.FloatField(null=True, help_text="Seconds that the load took.")
    memory_bytes = models.BigIntegerField(null=True, help_text="What it occupies of the device's memory.")
    reason = models.TextField(
        blank=True, db_default="", help_text="Why the last load failed; empty once one succeeded."
    )
    tries = models.PositiveIntegerField(db_default=0, help_text="Failed loads since the last that succeeded.")
    tried_at = models.DateTimeField(db_default=Now(), help_text="When the last load began or failed.")
    next_try_at = models.DateTimeField(
        null=True, help_text="No worker of this name tries earlier, because the last load outlived its limit."
    )

    class Meta:
        constraints = [models.UniqueConstraint(fields=["version", "node"], name="version_load_once_per_node")]

    def __str__(self) -> str:
        return f"version {self.version_id} on {self.node}: {self.state}"


class MoveState(models.TextChoices):
    """What became of an ordered move of an alias."""

    LOADING = "loading", "workers load the version first"
    MOVED = "moved"
    FAILED = "failed"


class AliasMove(models.Model):
    """A move of an alias that waits until each live worker of the model has the version in memory."""

    id = models.BigAutoField(primary_key=True)
    model = models.ForeignKey(RegisteredModel, models.CASCADE, related_name="moves")
    alias = models.CharField(max_length=63)
    version = models.ForeignKey(ModelVersion, models.CASCADE, related_name="moves")
    actor = models.CharField(max_length=127)
    address = models.GenericIPAddressField(null=True, help_text="Empty for a command.")
    reason = models.TextField(blank=True, db_default="", help_text="What a person gave as the reason.")
    state = models.CharField(max_length=8, choices=MoveState.choices, default=MoveState.LOADING)
    asked_at = models.DateTimeField(db_default=Now())
    until = models.DateTimeField(help_text="When it fails, unless all workers have the version by then.")
    ended_at = models.DateTimeField(null=True)
    outcome = models.TextField(blank=True, db_default="", help_text="Why it failed, or whom it waits for.")

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["model", "alias"], condition=Q(state="loading"), name="alias_move_one_at_a_time"
            )
        ]

    def __str__(self) -> str:
        return f"{self.model}@{self.alias} to version {self.version_id}: {self.state}"
