"""The rows of a job's life. `Job` is narrow and hot: no index holds a column that changes.

Instead, each live state has a small table of its own: Outbox (queued, waiting), open rows of Batch (running),
DeadLetter (dead). A job's deadline, idempotency key and size never change.
"""

from jobs.models.audit_seal import AuditSeal
from jobs.models.batch import Batch, Worker
from jobs.models.canary_replay import CanaryReplay
from jobs.models.channel_secret import ChannelSecret
from jobs.models.circuit import Circuit, Outage
from jobs.models.client import ApiToken, Client
from jobs.models.dead_letter import DeadLetter, DeadLetterQueueSize
from jobs.models.erasure import Erasure, Subject, UnwantedObject
from jobs.models.event import AttemptMessage, Event
from jobs.models.experiments.experiment import Experiment, Measurement
from jobs.models.job import Job, JobInput, JobResult
from jobs.models.known_key import KnownKey
from jobs.models.lease import Lease, LeaseHolder
from jobs.models.model_order import ModelOrder
from jobs.models.operating.autoscaler import Autoscaler
from jobs.models.operating.bulk_act import BulkAct
from jobs.models.operating.job_label import JobLabel
from jobs.models.operating.operations_step import OperationsRecent, OperationsStep
from jobs.models.operating.pause import WorkPause
from jobs.models.outbox import Outbox
from jobs.models.payload_key import DataKey, JobKey
from jobs.models.queue_standing import QueueStanding
from jobs.models.quota_bucket import QuotaBucket
from jobs.models.reuse import CacheEntry, Follower
from jobs.models.rollouts.drift import (
    CacheGeneration,
    DriftAlarm,
    DriftHour,
    DriftReference,
    DriftSketch,
    FrozenReference,
)
from jobs.models.rollouts.evidence import Evidence, FailedKey, RolloutPoint, Tally
from jobs.models.rollouts.feedback import Feedback
from jobs.models.rollouts.job_step import JobStep
from jobs.models.rollouts.route import Route
from jobs.models.rollouts.shadow import Shadow, ShadowCopy, ShadowHand, ShadowState
from jobs.models.rollouts.taking_back import TakeBack
from jobs.models.rollouts.version_trial import Trial, TrialKind, TrialState
from jobs.models.upload import Upload
from jobs.models.webhook_delivery import Delivery, DisabledEndpoint, WebhookSecret

__all__ = [
    "ApiToken",
    "AttemptMessage",
    "AuditSeal",
    "Autoscaler",
    "Batch",
    "BulkAct",
    "CacheEntry",
    "CacheGeneration",
    "CanaryReplay",
    "ChannelSecret",
    "Circuit",
    "Client",
    "DataKey",
    "DeadLetter",
    "DeadLetterQueueSize",
    "Delivery",
    "DisabledEndpoint",
    "DriftAlarm",
    "DriftHour",
    "DriftReference",
    "DriftSketch",
    "Erasure",
    "Event",
    "Evidence",
    "Experiment",
    "FailedKey",
    "Feedback",
    "Follower",
    "FrozenReference",
    "Job",
    "JobInput",
    "JobKey",
    "JobLabel",
    "JobResult",
    "JobStep",
    "KnownKey",
    "Lease",
    "LeaseHolder",
    "Measurement",
    "ModelOrder",
    "OperationsRecent",
    "OperationsStep",
    "Outage",
    "Outbox",
    "QueueStanding",
    "QuotaBucket",
    "RolloutPoint",
    "Route",
    "Shadow",
    "ShadowCopy",
    "ShadowHand",
    "ShadowState",
    "Subject",
    "TakeBack",
    "Tally",
    "Trial",
    "TrialKind",
    "TrialState",
    "UnwantedObject",
    "Upload",
    "WebhookSecret",
    "WorkPause",
    "Worker",
]
