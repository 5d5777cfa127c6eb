"""Flags: put in force, changed and removed, each change with a number, and with who made it and why.

A flag that a rule in force or a live roll-out names cannot be removed: the cohort would lose its meaning.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime
from hashlib import sha256
from typing import Any

import msgspec
from django.db import IntegrityError, transaction
from django.db.models import Max

from models_registry import selectors
from models_registry.core.registry_errors import (
    ApprovalError,
    FlagConflictError,
    FlagError,
    FlagInUseError,
    FlagNotFoundError,
    RuleError,
)
from models_registry.core.routing.flag_document import CompiledFlag, FlagDocument, check_flag_name
from models_registry.core.routing.rule_document import Cohort
from models_registry.flag_reads import flags_named
from models_registry.models import Alias, Flag, FlagChange, Rollout, Rule
from models_registry.models.rollouts import LIVE_STATES
from models_registry.services.changes import announce
from models_registry.services.described_schema import check_described

_ENCODER = msgspec.json.Encoder(order="deterministic")


def put_flag(
    *,
    name: str,
    document: Mapping[str, Any],
    actor: str,
    reason: str = "",
    address: str | None = None,
    number: int | None = None,
) -> Flag:
    """Put a flag in force, or change it, and return it; it joins the caller's transaction.

    `number` is that of the flag as the caller read it, 0 where there was none. FlagError for a wrong name or
    document; FlagConflictError where the flag has another number; ApprovalError where it decides for a model
    whose roll-outs other people approve, unless the candidate gets no job more by it. The document that is in
    force already changes nothing, so that a call whose answer was lost can be made again.
    """
    compiled = compile_flag(name=name, document=document)
    flag = compiled.document
    digest = sha256(_ENCODER.encode(flag)).hexdigest()
    with transaction.atomic():
        before = Flag.objects.select_for_update().filter(name=name).first()
        if before is not None and before.sha256 == digest:
            return before
        _check_number(name, before, number)
        _check_approved(compiled)
        change, row = _stored(before, name, flag, digest, (actor, reason, address))
        announce("flag", actor=actor, flag=name, number=change.number, sha256=digest, on=flag.on,
                 share=flag.share, **({"reason": reason} if reason else {}))  # fmt: skip
        _forget()
    return row


def remove_flag(
    *, name: str, actor: str, reason: str = "", address: str | None = None, number: int | None = None
) -> FlagChange:
    """Remove a flag and return the change; it joins the caller's transaction.

    FlagNotFoundError; FlagConflictError as `put_flag`; FlagInUseError where a rule or roll-out names it.
    """
    check_flag_name(name)
    with transaction.atomic():
        row = Flag.objects.select_for_update().filter(name=name).first()
        if row is None:
            raise FlagNotFoundError(f"There is no flag {name!r}.")
        _check_number(name, row, number)
        if users := flag_users(name):
            raise FlagInUseError(
                f"The flag {name} decides for {', '.join(users[:5])}: put a rule in force that does not name"
                " it first, or let the roll-out end."
            )
        try:
            with transaction.atomic():
                change = _append(name, None, "", actor, reason, address)
        except IntegrityError:  # a first put that began before the flag was there
            raise _changed_meanwhile(name) from None
        row.delete()
        announce("flag_removed", actor=actor, flag=name, number=change.number,
                 **({"reason": reason} if reason else {}))  # fmt: skip
        _forget()
    return change


def compile_flag(*, name: str, document: Mapping[str, Any]) -> CompiledFlag:
    """Return a flag as it would decide, after all checks but for its number and its end; FlagError."""
    check_flag_name(name)
    flag = FlagDocument.of(document)
    if flag.when is not None:
        check_described("The schema of the flag", flag.when, FlagError)
    return CompiledFlag(name, flag)


def flags_of(cohorts: Collection[Cohort]) -> dict[str, CompiledFlag]:
    """Return the flags that cohorts name; RuleError for one that there is not."""
    names = {cohort.flag for cohort in cohorts if cohort.flag is not None}
    flags = flags_named(names)
    _check_all(names, flags)
    return flags


def hold_flags(cohorts: Collection[Cohort]) -> None:
    """Keep the flags that cohorts name from being removed until the transaction ends; RuleError."""
    names = {cohort.flag for cohort in cohorts if cohort.flag is not None}
    if names:
        locked = Flag.objects.select_for_update().filter(name__in=names).order_by("name")
        _check_all(names, list(locked.values_list("name", flat=True)))


def flag_users(name: str) -> list[str]:
    """Return what decides by a flag: aliases by their rules in force, and live roll-outs by their plans."""
    rules = Rule.objects.filter(id__in=Alias.objects.filter(rule__isnull=False).values("rule"))
    live = Rollout.objects.select_related("model").filter(state__in=LIVE_STATES)
    named = {"cohorts": [{"flag": name}]}
    aliases = [
        f"{model}@{alias}"
        for model, alias in rules.filter(document__contains=named).values_list("model", "alias")
    ]
    plans = live.filter(plan__contains=named)
    return sorted(aliases) + [f"roll-out {row.pk} of {row.model.name}@{row.alias}" for row in plans]


def _check_all(names: Collection[str], there: Collection[str]) -> None:
    if unknown := sorted(set(names).difference(there)):
        raise RuleError(f"There is no flag {unknown[0]!r}: put it in force first.")


def _check_approved(flag: CompiledFlag) -> None:
    """Refuse that one person gives a candidate more jobs than others have approved.

    A flag that gives jobs to the candidate may be switched off, and one that keeps jobs at the stable version
    be put on for all.
    """
    arms = _approved_arms(flag.name)
    widens = {"candidate": flag.for_all is not False, "stable": flag.for_all is not True}
    if any(widens[arm] for arm in arms):
        words = {"candidate": "it can only be switched off", "stable": "it can only be put on for all jobs"}
        allowed = words[arms[0]] if len(arms) == 1 else "it cannot be changed"
        raise ApprovalError(
            f"The flag {flag.name} decides for {', '.join(flag_users(flag.name)[:5])}, and other people"
            f" approve what gets jobs there: {allowed} while that is so."
        )


def _approved_arms(name: str) -> list[str]:
    """Return the arms that a flag gives where other people approve, each once."""
    named = {"cohorts": [{"flag": name}]}
    aliases = Alias.objects.filter(model__approvals__gt=0)
    rules = Rule.objects.filter(id__in=aliases.values("rule"), document__contains=named)
    plans = Rollout.objects.filter(model__approvals__gt=0, state__in=LIVE_STATES, plan__contains=named)
    documents = [*rules.values_list("document", flat=True), *plans.values_list("plan", flat=True)]
    cohorts = [cohort for document in documents for cohort in document["cohorts"]]
    return sorted({cohort["arm"] for cohort in cohorts if cohort.get("flag") == name})


def _check_number(name: str, before: Flag | None, number: int | None) -> None:
    now = before.number if before else 0
    if number is not None and number != now:
        stands = f"its change {now} is in force" if before else "there is no such flag now"
        raise FlagConflictError(
            f"You read change {number} of the flag {name}, and {stands}: read it again.", number=now
        )


def _check_end(flag: FlagDocument, before: Flag | None, now: datetime) -> None:
    """Refuse an end that is over, unless the flag has it already: what expired can still be switched off."""
    if flag.expires_at <= now and (before is None or before.expires_at != flag.expires_at):
        raise FlagError(f"expires_at is {flag.expires_at.isoformat()}, which is over.")


def _stored(
    before: Flag | None, name: str, flag: FlagDocument, digest: str, by: tuple[str, str, str | None]
) -> tuple[FlagChange, Flag]:
    """Append a change and put it in force; of several first puts at once, all but one are refused."""
    try:
        with transaction.atomic():
            change = _append(name, flag.document, digest, *by)
            _check_end(flag, before, change.at)
            return change, _write(before, change, flag)
    except IntegrityError:
        raise _changed_meanwhile(name) from None


def _write(before: Flag | None, change: FlagChange, flag: FlagDocument) -> Flag:
    row = before or Flag(name=change.name)
    row.number, row.sha256, row.expires_at = change.number, change.sha256, flag.expires_at
    row.document = flag.document
    row.actor, row.reason, row.at = change.actor, change.reason, change.at
    row.save()
    return row


def _changed_meanwhile(name: str) -> FlagConflictError:
    return FlagConflictError(f"The flag {name} was changed at the same time: read it again.")


def _forget() -> None:
    selectors.forget()
    transaction.on_commit(selectors.forget)


def _append(
    name: str, document: dict[str, Any] | None, digest: str, actor: str, reason: str, address: str | None
) -> FlagChange:
    """Append a change. Who puts a flag for the first time while another person does waits here."""
    last = FlagChange.objects.filter(name=name).aggregate(last=Max("number"))["last"] or 0
    return FlagChange.objects.create(
        name=name, number=last + 1, document=document, sha256=digest, actor=actor[:127], reason=reason,
        address=address,
    )  # fmt: skip
