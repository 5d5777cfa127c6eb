"""The API's description keeps its committed promises, and has every problem."""

from __future__ import annotations

import copy
import json
import re
from pathlib import Path
from typing import Any

import pytest

from jobs.api.endpoints import api
from jobs.api.problems import STATUS
from tests.unit.jobs.api.docs.compatibility import breaks

COMMITTED = Path(__file__).with_name("openapi.json")
AGAIN = "`make openapi` writes it anew"


@pytest.fixture
def now() -> dict[str, Any]:
    document: dict[str, Any] = json.loads(json.dumps(api.get_openapi_schema(path_prefix="/api/v1/")))
    return document


@pytest.fixture
def committed() -> dict[str, Any]:
    document: dict[str, Any] = json.loads(COMMITTED.read_text())
    return document


def test_nothing_that_was_promised_is_broken(committed: dict[str, Any], now: dict[str, Any]) -> None:
    assert breaks(committed, now) == []


def test_the_description_that_is_committed_is_the_api_s(
    committed: dict[str, Any], now: dict[str, Any]
) -> None:
    assert committed == now, f"what is new is to be committed: {AGAIN}"


@pytest.mark.parametrize(
    ("path", "says"),
    [
        (("paths", "/api/v1/jobs", "post"), "post /api/v1/jobs is gone"),
        (("paths", "/api/v1/jobs", "post", "responses", "202"), "the answer 202 is gone"),
        (("components", "schemas", "Job", "properties", "state"), "Job.state is gone"),
    ],
)
def test_removals_are_noticed(now: dict[str, Any], path: tuple[str, ...], says: str) -> None:
    changed = copy.deepcopy(now)
    place = changed
    for name in path[:-1]:
        place = place[name]
    del place[path[-1]]
    assert any(says in line for line in breaks(now, changed))


def test_new_requirements_and_changed_types_are_noticed(now: dict[str, Any]) -> None:
    changed = copy.deepcopy(now)
    changed["components"]["schemas"]["JobRequest"]["required"].append("metadata")
    changed["components"]["schemas"]["Job"]["properties"]["attempts"] = {"type": "string"}
    submits = (
        "post /api/v1/jobs",
        "post /api/v1/jobs/bulk",
        "post /api/v1/jobs/bulk",
        "post /api/v1/jobs/stream",
    )
    assert breaks(now, changed) == [
        *(f"{call}: metadata is required now" for call in submits),
        "Job.attempts is another type",
    ]
    assert breaks(changed, now) == ["Job.attempts is another type"]


def test_every_problem_is_in_the_description(now: dict[str, Any]) -> None:
    codes = set(now["components"]["schemas"]["Problem"]["properties"]["code"]["enum"])
    assert {kind.code for kind in STATUS} <= codes
    for path, calls in now["paths"].items():
        for method, call in calls.items():
            problems = {status for status in call["responses"] if status >= "400"}
            assert {"401", "405", "503"} <= problems, (method, path)
            assert all("application/problem+json" in call["responses"][s]["content"] for s in problems)


OPERATION_IDS = {
    "get /api/v1/flags": "listFlags",
    "get /api/v1/flags/{flag}": "getFlag",
    "put /api/v1/flags/{flag}": "putFlag",
    "delete /api/v1/flags/{flag}": "removeFlag",
    "post /api/v1/flags/{flag}/preview": "previewFlag",
    "post /api/v1/token/rotate": "rotateToken",
    "get /api/v1/jobs": "listJobs",
    "post /api/v1/jobs": "submitJob",
    "post /api/v1/jobs/bulk": "submitJobs",
    "post /api/v1/jobs/stream": "streamSubmits",
    "get /api/v1/jobs/{job_id}": "getJob",
    "delete /api/v1/jobs/{job_id}": "eraseJob",
    "post /api/v1/erasures": "eraseSubject",
    "get /api/v1/erasures": "listErasures",
    "post /api/v1/jobs/{job_id}/cancel": "cancelJob",
    "get /api/v1/jobs/{job_id}/events": "streamJobEvents",
    "get /api/v1/jobs/{job_id}/lineage": "getJobLineage",
    "get /api/v1/jobs/{job_id}/timeline": "getJobTimeline",
    "post /api/v1/jobs/{job_id}/replay": "replayJob",
    "get /api/v1/models": "listModels",
    "get /api/v1/models/{name}": "getModel",
    "get /api/v1/models/{name}/versions": "listModelVersions",
    "post /api/v1/models/{name}/versions": "registerModelVersion",
    "post /api/v1/models/{name}/backtests": "startBacktest",
    "get /api/v1/backtests/{backtest_id}": "getBacktest",
    "get /api/v1/backtests/{backtest_id}/report.html": "getBacktestPage",
    "post /api/v1/backtests/{backtest_id}/cancel": "cancelBacktest",
    "get /api/v1/workers": "listWorkers",
    "post /api/v1/uploads": "uploadFile",
    "post /api/v1/bulk-acts/cancel": "cancelMatching",
    "post /api/v1/bulk-acts/replay": "replayMatching",
    "post /api/v1/bulk-acts/discard": "discardMatching",
    "get /api/v1/bulk-acts": "listBulkActs",
    "get /api/v1/bulk-acts/{act_id}": "getBulkAct",
    "post /api/v1/bulk-acts/{act_id}/stop": "stopBulkAct",
    "get /api/v1/models/{name}/rules": "listRules",
    "post /api/v1/models/{name}/rules": "putRule",
    "post /api/v1/models/{name}/rules/preview": "previewRule",
    "get /api/v1/models/{name}/rules/{number}/cascade": "getCascadeReport",
    "post /api/v1/models/{name}/rules/{number}/cascade": "rateCascade",
    "get /api/v1/models/{name}/drift": "getDrift",
    "post /api/v1/models/{name}/drift/reference": "freezeDriftReference",
    "get /api/v1/models/{name}/rules/{number}/shadow": "getShadow",
    "get /api/v1/models/{name}/rules/{number}/shadow/report.html": "getShadowPage",
    "get /api/v1/models/{name}/rules/{number}/shadow/times.png": "getShadowPicture",
    "post /api/v1/models/{name}/rules/{number}/shadow/stop": "stopShadow",
    "post /api/v1/models/{name}/rules/{number}/shadow/start": "startShadow",
    "get /api/v1/models/{name}/rules/{number}/report": "getAbReport",
    "get /api/v1/models/{name}/rules/{number}/report.html": "getAbReportPage",
    "post /api/v1/jobs/{job_id}/feedback": "giveFeedback",
    "post /api/v1/feedback": "giveFeedbackMany",
    "post /api/v1/models/{name}/rollouts": "startRollout",
    "post /api/v1/models/{name}/versions/{version}/stage": "stageModelVersion",
    "post /api/v1/models/{name}/versions/{version}/retire": "retireModelVersion",
    "post /api/v1/models/{name}/versions/{version}/block": "blockModelVersion",
    "post /api/v1/models/{name}/versions/{version}/unblock": "unblockModelVersion",
    "get /api/v1/rollouts": "listRollouts",
    "get /api/v1/rollouts/{rollout_id}": "getRollout",
    "get /api/v1/rollouts/{rollout_id}/record": "getRolloutRecord",
    "get /api/v1/rollouts/{rollout_id}/events": "streamRolloutEvents",
    "post /api/v1/rollouts/{rollout_id}/pause": "pauseRollout",
    "post /api/v1/rollouts/{rollout_id}/resume": "resumeRollout",
    "post /api/v1/rollouts/{rollout_id}/promote": "promoteRollout",
    "post /api/v1/rollouts/{rollout_id}/roll_back": "rollBack",
    "post /api/v1/rollouts/{rollout_id}/cancel": "cancelRollout",
    "post /api/v1/rollouts/{rollout_id}/approve": "approveRollout",
    "post /api/v1/rollouts/{rollout_id}/budget": "grantRolloutBudget",
}


def test_operation_ids_are_good_method_names(now: dict[str, Any]) -> None:
    ids = {
        f"{method} {path}": call["operationId"]
        for path, calls in now["paths"].items()
        for method, call in calls.items()
    }
    assert ids == OPERATION_IDS, "an id that exists never changes; a new call has a line here"
    assert len(set(ids.values())) == len(ids)


def test_components_have_public_names_and_every_reference_leads_to_one(now: dict[str, Any]) -> None:
    components = now["components"]["schemas"]
    assert not [name for name in components if name.endswith(("Schema", "Out"))]
    references = set(re.findall(r'"#/components/schemas/(\w+)"', json.dumps(now)))
    assert references <= components.keys()
