"""The calls that show, put and try rules."""

from __future__ import annotations

from django.conf import settings
from django.http import HttpResponse

from jobs.api.auth import ApiRequest, needs
from jobs.api.docs.rollout_docs import PREVIEW_DOC, RULE_DOC
from jobs.api.http.body import read_body
from jobs.api.http.body_limits import SMALL_BYTES
from jobs.api.responses import json_answer
from jobs.api.router import rollouts_router
from jobs.api.routes.rollouts.rule_schemas import ListedRulesSchema, PreviewSchema, RuleSchema
from jobs.core.access.scopes import Scope
from jobs.core.rollouts.rollout_requests import RulePreview, RulePut, checked_preview, parse_body
from jobs.services.access.request_origin import origin
from jobs.services.rollouts.preview import preview
from jobs.services.rollouts.reads import rules_of
from models_registry.services.rules import put_rule


@rollouts_router.get(
    "/models/{name}/rules",
    operation_id="listRules",
    response={200: ListedRulesSchema},
    summary="What answers for a model's aliases, and who decided it",
    **needs(Scope.ROLL_OUT),
)
def list_rules(request: ApiRequest, name: str, alias: str | None = None) -> HttpResponse:
    """Return a model's rules, or those of one alias, newest first: of each alias the first is in force.

    An alias without a rule answers with the version that it points at.
    """
    request.auth.check_model(name)
    return json_answer({"rules": [RuleSchema.of(rule) for rule in rules_of(name, alias)]})


@rollouts_router.post(
    "/models/{name}/rules",
    operation_id="putRule",
    response={201: RuleSchema},
    summary="Decide what answers for an alias",
    **needs(Scope.ROLL_OUT, **RULE_DOC),
)
def put(request: ApiRequest, name: str) -> HttpResponse:
    """Put a rule in force, as the next number of its alias; web processes follow within a second.

    Refused while a roll-out of the alias is live, because that writes the alias's rules itself.
    """
    request.auth.check_model(name)
    asked = parse_body(read_body(request, limit_bytes=SMALL_BYTES), RulePut)
    rule = put_rule(
        model=name,
        alias=asked.alias,
        document=asked.document,
        actor=request.auth.actor,
        reason=asked.reason,
        address=origin().address,
        check_model=request.auth.check_model,
    )
    return json_answer(RuleSchema.of(rule), 201)


@rollouts_router.post(
    "/models/{name}/rules/preview",
    operation_id="previewRule",
    response={200: PreviewSchema},
    summary="Which jobs would get which version",
    **needs(Scope.ROLL_OUT, **PREVIEW_DOC),
)
def preview_rule(request: ApiRequest, name: str) -> HttpResponse:
    """Decide by a rule that is not in force, and change nothing: the same jobs would then get the same."""
    request.auth.check_model(name)
    body = read_body(request, limit_bytes=settings.INFERENCE.max_body_bytes)
    asked = checked_preview(parse_body(body, RulePreview))
    auth = request.auth
    return json_answer(preview(model=name, asked=asked, client=auth.name, check_model=auth.check_model))
