"""The order and the words of the admin's index: jobs first, then what runs them, models and clients."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

# Each section has a title and its models, each with what its list shows.
SECTIONS: Mapping[str, Mapping[str, str]] = {
    "Jobs": {
        "jobs.job": "Every job: find it, see why it took so long, cancel or replay it",
        "jobs.deadletter": "Jobs that failed for good, grouped by what went wrong",
        "jobs.canaryreplay": "Replays of many dead jobs, and what became of their first job",
        "jobs.bulkact": "Cancels, replays and discards of all jobs that matched a filter",
    },
    "Running": {
        "jobs.queuestanding": "What waits for each model, for how long, and how fast it drains",
        "jobs.worker": "Worker processes: alive, silent or ended, and what they have loaded",
        "jobs.autoscaler": "What starts and drains the workers of each host: its last decision, and why",
        "jobs.batch": "The ledger: what ran together, why, where and how long",
        "jobs.circuit": "Versions and clients whose jobs are held back after failures",
        "jobs.workpause": "Models, versions and clients that a person has paused",
        "jobs.outbox": "Jobs that the relay is to publish, and when",
    },
    "Models": {
        "models_registry.registeredmodel": "Names that jobs use, with their versions",
        "models_registry.modelversion": "Builds: artifact, schemas, limits; where each is loaded",
        "models_registry.alias": "Names of versions; promote a version or roll back",
        "models_registry.rollout": "Versions on their way to all jobs of an alias, and how each stands",
        "models_registry.rule": "What answers for an alias, rule by rule; what answered at a moment",
        "jobs.shadow": "Versions that run copies of jobs and answer none, and what they have shown",
        "models_registry.flag": "For which jobs something is on, and what is past its end",
        "models_registry.flagchange": "Every change of a flag: who, when and why; the flags of a moment",
        "jobs.trial": "Gates, duels and backtests: two versions on the same inputs",
        "jobs.frozenreference": "Drift: whether jobs of a version are still like those of its reference",
        "jobs.experiment": "Claims about the platform, the load tests that try them, and the verdicts",
        "models_registry.promotion": "Every move of an alias: who, when and why",
    },
    "Clients": {
        "jobs.client": "Apps that send jobs, and their quotas",
        "jobs.apitoken": "Bearer tokens: valid, expired or revoked",
        "jobs.delivery": "Webhooks of jobs, their attempts and answers",
        "jobs.disabledendpoint": "Webhook addresses that answered 410, and get nothing any more",
        "jobs.webhooksecret": "Secrets that sign webhooks",
    },
    "Audit and people": {
        "jobs.event": "Who did what, when and from where; failed attempts",
        "auth.user": "People who may enter these pages",
        "auth.group": "Rights that people share",
    },
}
OTHERS = "Others"
# The links on top of every page, and their words.
NAVIGATION = {
    "jobs.job": "Jobs",
    "jobs.deadletter": "Dead letters",
    "jobs.queuestanding": "Queues",
    "jobs.worker": "Workers",
    "models_registry.registeredmodel": "Models",
    "models_registry.rollout": "Roll-outs",
    "jobs.client": "Clients",
    "jobs.event": "Audit",
}
_ABOUT = {label: about for models in SECTIONS.values() for label, about in models.items()}
_PLACES = {label: place for place, label in enumerate(_ABOUT)}


def label_of(entry: Mapping[str, Any]) -> str:
    """Return the label of a model's entry in Django's list of apps; empty for a link that is no model's."""
    model = entry.get("model")
    return model._meta.label_lower if model else ""  # noqa: SLF001  # Django's documented API


def described(entries: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return models' entries in the operator's order, each with what its list shows."""
    ordered = sorted(entries, key=lambda entry: _PLACES.get(label_of(entry), len(_PLACES)))
    return [{**entry, "about": _ABOUT.get(label_of(entry), "")} for entry in ordered]


def by_section(apps: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return Django's list of apps as our sections, without those of which the user may see nothing."""
    entries = described([entry for app in apps for entry in app["models"]])
    titles = {label: title for title, models in SECTIONS.items() for label in models}
    sections: list[dict[str, Any]] = []
    for title in (*SECTIONS, OTHERS):
        models = [entry for entry in entries if titles.get(label_of(entry), OTHERS) == title]
        if models:
            sections.append({"name": title, "app_label": "", "app_url": "", "models": models})
    return sections


def navigation(sections: Sequence[Mapping[str, Any]], path: str) -> list[dict[str, Any]]:
    """Return the entries that are linked on top of every page; the one that `path` is part of is marked."""
    entries = {label_of(entry): entry for section in sections for entry in section["models"]}
    shown = [(word, entries[label]["admin_url"]) for label, word in NAVIGATION.items() if label in entries]
    return [{"word": word, "url": url, "is_current": path.startswith(url)} for word, url in shown if url]
