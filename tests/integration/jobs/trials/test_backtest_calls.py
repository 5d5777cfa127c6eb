"""Backtests over the API and by command: scopes, problems, the page, and the files."""

from __future__ import annotations

import json
from io import StringIO
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
import sqlalchemy as sa
from django.core.management import CommandError, call_command
from django.db import connection
from django.test import Client

from jobs.core.errors import ResourceNotFoundError
from jobs.models import Client as ClientRow
from jobs.models import Job
from jobs.models.rollouts.version_trial import Trial, TrialState
from jobs.services.access.tokens import create_token
from jobs.services.trials import trial_rows
from jobs.services.trials.backtests import cancel_backtest
from tests.support import digit_models
from tests.support.factories import make_version
from tests.support.trials import TrialWorker, stored_jobs

ASKED = {"version": "2", "agreement": {"by": "label", "at": "/digit"}}


def app(*scopes: str, client: str = "operators") -> Client:
    token = create_token(client=client, scopes=list(scopes))
    return Client(headers={"Authorization": f"Bearer {token}"})


def post(sender: Client, body: Any, model: str = "digits") -> Any:
    return sender.post(f"/api/v1/models/{model}/backtests", json.dumps(body), "application/json")


@pytest.fixture
def worker(db: str) -> TrialWorker:
    heavy = make_version(
        "digits", "1", artifact=digit_models.HEAVY, input_schema=digit_models.INPUT_SCHEMA,
        output_schema=digit_models.OUTPUT_SCHEMA,
    )  # fmt: skip
    make_version("digits", "2", artifact=digit_models.EXCHANGED, output_schema=digit_models.OUTPUT_SCHEMA)
    stored_jobs(heavy, [value for value, _ in digit_models.unseen()[:200]])
    return TrialWorker("digits", entry_points=digit_models.ENTRY_POINTS)


def test_a_backtest_is_started_followed_and_read(worker: TrialWorker, session: sa.Connection) -> None:
    operators = app("roll_out")
    begun = post(operators, ASKED)
    assert begun.status_code == 202, begun.content
    place = f"/api/v1/backtests/{begun.json()['id']}"
    assert begun.json()["state"] == "waiting"
    assert operators.get(f"{place}/report.html").status_code == 409
    worker.run(session, begun.json()["id"])
    shown = operators.get(place).json()
    assert (shown["state"], shown["done"], shown["against"]) == ("done", 1.0, "digits:1")
    assert "The labels 3 and 8 are exchanged" in shown["outcome"]
    page = operators.get(f"{place}/report.html")
    text = page.content.decode()
    assert page["Content-Type"].startswith("text/html")
    assert text.count("data:image/png;base64,") == 2
    assert "The labels 3 and 8 are exchanged" in text
    assert "pixels" not in text


def test_a_cancelled_backtest_has_no_report_and_its_worker_changes_it_no_more(
    worker: TrialWorker, session: sa.Connection
) -> None:
    operators = app("roll_out")
    begun = post(
        operators, {**ASKED, "labels": {str(Job.objects.values_list("pk", flat=True)[0]): "3"}}
    ).json()["id"]
    place = f"/api/v1/backtests/{begun}"
    taken = trial_rows.take(session, worker=worker.row.id, node="n", models=["digits"])
    session.commit()
    assert taken is not None
    for _ in range(2):
        assert operators.post(f"{place}/cancel").json()["state"] == "cancelled"
    shown = operators.get(place).json()
    assert shown["outcome"].startswith("Cancelled by client:operators")
    assert (shown["report"], shown["ended_at"] is None) == (None, False)
    assert "labels" not in Trial.objects.get(pk=begun).spec
    assert trial_rows.beat(session, taken, worker.row.id) is None
    late = trial_rows.TrialEnd(TrialState.DONE, "late", {})
    assert not trial_rows.end(session, taken, worker.row.id, late)
    assert operators.get(f"{place}/report.html").status_code == 409


def test_a_backtest_that_is_done_cannot_be_cancelled(worker: TrialWorker, session: sa.Connection) -> None:
    operators = app("roll_out")
    begun = post(operators, ASKED).json()["id"]
    worker.run(session, begun)
    refused = operators.post(f"/api/v1/backtests/{begun}/cancel")
    assert (refused.status_code, refused.json()["code"]) == (409, "wrong_state")
    assert operators.get(f"/api/v1/backtests/{begun}").json()["report"] is not None


def test_a_backtest_that_does_not_exist_cannot_be_cancelled(db: str) -> None:
    assert app("roll_out").post("/api/v1/backtests/9/cancel").status_code == 404
    with pytest.raises(ResourceNotFoundError, match="no backtest 9"):
        cancel_backtest(9, actor="operator")


def test_only_the_scope_roll_out_reads_what_runs_on_the_inputs_of_all_clients(
    worker: TrialWorker,
) -> None:
    made = post(app("roll_out"), ASKED).json()["id"]
    reader = app("read", "submit", client="reader")
    assert post(reader, ASKED).status_code == 403
    assert reader.get(f"/api/v1/backtests/{made}").status_code == 403
    assert app("admin", client="admins").get(f"/api/v1/backtests/{made}").status_code == 200


def test_a_client_of_other_models_sees_no_backtest(worker: TrialWorker) -> None:
    made = post(app("roll_out"), ASKED).json()["id"]
    stranger = app("roll_out", client="stranger")
    ClientRow.objects.filter(name="stranger").update(models=["echo"])
    assert post(stranger, ASKED).json()["code"] == "model_not_allowed"
    assert stranger.get(f"/api/v1/backtests/{made}").status_code == 404


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"version": "9"}, 404, "model_not_found"),
        ({"version": "2", "against": "2"}, 422, "trial_refused"),
        ({"version": "2", "filter": {"client": "nobody"}}, 404, "not_found"),
        ({"version": "2", "filter": {"priority": 9}}, 422, "no_stored_inputs"),
        ({"version": "2", "agreement": {"by": "label", "at": "/nothing"}}, 422, "agreement"),
        ({"version": "2", "agreement": {"by": "magic"}}, 400, "malformed"),
        ({"version": "2", "most": float("nan")}, 400, "malformed"),
    ],
)
def test_a_wrong_request_has_a_stable_code(worker: TrialWorker, body: Any, status: int, code: str) -> None:
    answer = post(app("roll_out"), body)
    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.content


def test_the_command_waits_and_writes_the_report(
    worker: TrialWorker, session: sa.Connection, tmp_path: Path
) -> None:
    out = StringIO()
    words = ["backtest", "digits:2", "--label", "/digit", "--most", "150", "--out", str(tmp_path)]

    def called() -> None:
        call_command(*words, stdout=out)
        connection.close()

    command = Thread(target=called)
    command.start()
    while command.is_alive():
        worker.runner.step(session, ())
        command.join(0.2)
    assert "The labels 3 and 8 are exchanged" in out.getvalue()
    assert json.loads((tmp_path / "report.json").read_text())["jobs"]["ran"] == 150
    assert {path.name for path in tmp_path.iterdir()} == {
        "report.json", "report.html", "times.png", "labels_between.png",
    }  # fmt: skip
    assert (tmp_path / "times.png").read_bytes().startswith(b"\x89PNG")


def test_a_command_that_asks_for_nonsense_says_so(worker: TrialWorker) -> None:
    with pytest.raises(CommandError, match="no model"):
        call_command("backtest", "digits:9")
    with pytest.raises(CommandError, match="waiting after"):
        call_command("backtest", "digits:2", "--wait-s", "0")
