"""The version of each job of a call: the one that it names, or the one that a rule decides on.

A circuit's fallback comes after that. What a call's jobs have in common is decided once.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from secrets import token_bytes
from typing import Any, TypeVar

from msgspec import Struct

from jobs.core.canonical_json import digest
from jobs.core.errors import PlatformError, UnavailableError
from jobs.core.submission.parsed_job import ParsedJob, Parts, canonical_parts, parse_job
from jobs.core.submission.request import JobRequest
from jobs.core.submission.routed_job import JobRoute, RouteKind, kind_of, stored_key
from jobs.core.submission.sticky_value import JOB
from jobs.db.statement import once_more
from jobs.services.access.owner import Owner
from jobs.services.circuits.operate import answering
from jobs.services.circuits.reads import circuit_of
from jobs.services.rollouts.asks import AskedJob, Asker, Keyed, ask_of, sticky_digest
from jobs.services.shadow.copying import copies_are_made
from models_registry.core.refs import Ref
from models_registry.core.registry_errors import InvalidInputError
from models_registry.core.routing.decision import Arm, CompiledRule, Decision, decide, is_copied
from models_registry.core.version import VersionInfo
from models_registry.selectors import routed_all

Read = TypeVar("Read")
OWN_BYTES = 16


Answer = tuple[VersionInfo, RouteKind | None, tuple[VersionInfo, ...], bool]


class Chosen(Struct, frozen=True, gc=False):
    """The version that answers a job, its route, and the versions whose schemas its input must fit.

    `shadowed_by` is the rule whose shadow gets a copy of the job.
    """

    version: VersionInfo
    route: JobRoute | None
    checked: tuple[VersionInfo, ...]
    shadowed_by: int | None = None


class Routing:
    """Which versions answer one call's jobs."""

    def __init__(self, owner: Owner, models: set[str]) -> None:
        """Read what the jobs of the call name."""
        self._owner, self._asker = owner, Asker(owner.id, owner.name)
        self._named = once_more(lambda: routed_all(models))
        self._rules = dict[str, CompiledRule | Chosen | PlatformError]()
        self._kinds = dict[tuple[str, int, Arm, bool], Answer]()
        self._answers = dict[tuple[int, int], VersionInfo | PlatformError]()

    @cached_property
    def _keyed(self) -> Keyed:
        return sticky_digest()  # of no use to a call without a rule

    def may_answer(self, model: str) -> tuple[VersionInfo, ...]:
        """Return the versions of which one answers a job that names `model`; a PlatformError."""
        named = self._of(model)
        return (named.version,) if isinstance(named, Chosen) else named.versions

    def parsed(self, request: JobRequest) -> tuple[ParsedJob, Chosen]:
        """Return a job as its version has it, with its route; a PlatformError."""
        named = self._rules.get(request.model)
        if not isinstance(named, Chosen):
            named = self._of(request.model)
        if isinstance(named, Chosen):
            return parse_job(request, named.version, route=named.route), named
        parts = canonical_parts(request)
        chosen = self._decided(named, request, parts)
        return parse_job(
            request, chosen.version, parts=parts, route=chosen.route, shadowed_by=chosen.shadowed_by
        ), chosen

    def _of(self, model: str) -> CompiledRule | Chosen:
        if model not in self._rules:
            self._rules[model] = _or_error(lambda: self._read(model))
        named: CompiledRule | Chosen | PlatformError = self._rules[model]
        if isinstance(named, PlatformError):
            raise named.with_traceback(None)
        return named

    def _read(self, model: str) -> CompiledRule | Chosen:
        if self._owner.models:  # first, because it may not learn which other models there are
            self._owner.check_model(Ref.parse(model).name)
        named = self._named[model]
        if isinstance(named, CompiledRule):
            return named
        if not isinstance(named, VersionInfo):
            raise named
        version = self._answering(named)
        route = None if version.id == named.id else JobRoute(RouteKind(Arm.FALLBACK, model))
        return Chosen(version, route, (version,))

    def _decided(self, rule: CompiledRule, request: JobRequest, parts: Parts) -> Chosen:
        body, parameters = parts
        asked = AskedJob(
            self._asker,
            request.priority,
            request.metadata,
            request.parameters,
            digest(body),
            parameters,
            token_bytes(OWN_BYTES) if rule.document.sticky == JOB else b"",  # the job has no id yet
        )
        ask = ask_of(rule, asked, self._keyed, counting=True)
        decision = decide(rule, ask)
        kind = request.model, decision.version.id, decision.arm, decision.counted
        answer = self._kinds.get(kind)
        if answer is None:
            answer = self._kinds[kind] = self._answer(rule, decision, request.model)
        version, routed, checked, may_copy = answer
        route = JobRoute(routed, stored_key(ask.key)) if routed is not None else None
        copied = may_copy and is_copied(rule, ask.key) and copies_are_made(ask)
        return Chosen(version, route, checked, rule.id if copied else None)

    def _answer(self, rule: CompiledRule, decision: Decision, asked: str) -> Answer:
        """Return what is the same for all jobs of a call for which a rule comes to such a decision."""
        if decision.arm is Arm.CASCADE:
            for step in rule.steps:  # of models that the client may not use it gets no answer either
                self._owner.check_model(step.model)
        version = self._answering(decision.version, instead=rule.stable)
        is_own = version.id == decision.version.id
        is_exposed = is_own or decision.arm is Arm.AB  # an arm's job counts there, whatever answers it
        kind: RouteKind | None = kind_of(rule, decision, asked)
        if not is_exposed:
            kind = RouteKind(Arm.FALLBACK, asked)
        if is_own and not rule.document.chooses:  # a shadow alone answers nothing, so nothing was chosen
            kind = None
        is_both = rule.document.schema == "both" and version in rule.versions
        # The inputs of a fallback may be of another model.
        may_copy = rule.shadow is not None and version in rule.versions
        return version, kind, rule.versions if is_both else (version,), may_copy

    def _answering(self, version: VersionInfo, *, instead: VersionInfo | None = None) -> VersionInfo:
        """Return the version that answers now; where its circuit is open, first of all `instead`."""
        place = version.id, instead.id if instead else 0
        if place not in self._answers:
            self._answers[place] = _or_error(lambda: once_more(lambda: self._unless_open(version, instead)))
        return _or_raise(self._answers[place])

    def _unless_open(self, version: VersionInfo, instead: VersionInfo | None) -> VersionInfo:
        circuit = circuit_of(version.id, self._owner.id) if instead else None
        first = instead if instead and circuit and circuit.holds else version
        answers = answering(first, client=self._owner.id)
        self._owner.check_model(answers.model)  # it may be another model's fallback
        return answers


def check_input(versions: tuple[VersionInfo, ...], check: Callable[..., None], *value: Any) -> None:
    """Raise InvalidInputError unless `check` allows each version an input; of several it is named."""
    if len(versions) == 1:
        check(versions[0], *value)
        return
    for version in versions:
        try:
            check(version, *value)
        except InvalidInputError as error:
            raise InvalidInputError(
                f"By the input schema of {version}, which the rule of this alias needs it to fit: {error}",
                **error.details,
            ) from None


def _or_error(read: Callable[[], Read]) -> Read | PlatformError:
    try:
        return read()
    except UnavailableError:
        raise
    except PlatformError as error:
        return error


def _or_raise(answer: Read | PlatformError) -> Read:
    if isinstance(answer, PlatformError):
        raise answer.with_traceback(None)
    return answer
