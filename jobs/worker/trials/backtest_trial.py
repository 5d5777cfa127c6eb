"""A backtest: a sample of stored jobs under one version, or two, counted as they run."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from hashlib import md5
from typing import Any
from uuid import UUID

from jobs.core.states import State
from jobs.core.trials.backtest_counts import BacktestCounts, Comparison
from jobs.core.trials.backtest_report import backtest_report, backtest_sentence
from jobs.core.trials.batch_sizes import sizes_up_to
from jobs.core.trials.trial_specs import BacktestSpec, spec_of
from jobs.models.rollouts.version_trial import TrialState
from jobs.payloads import vault
from jobs.services.trials.stored_inputs import StoredInput, read_inputs, sample
from jobs.services.trials.trial_rows import TrialEnd
from jobs.worker.trials.own_comparison import own_comparison
from jobs.worker.trials.paired_runs import paired_runs
from jobs.worker.trials.trial_desk import TrialDesk
from models_registry.loaders.ready import Loaded

READ_AT_ONCE = 50


class BacktestTrial:
    """Runs one backtest, and goes on where an earlier worker stopped."""

    def __init__(self, desk: TrialDesk) -> None:
        self._desk, self._spec = desk, spec_of(BacktestSpec, desk.trial.spec)
        self._counts = BacktestCounts.of(desk.trial.progress.get("counts"))
        self._sampled = 0

    @property
    def progress(self) -> dict[str, Any]:
        """Return how far it is, as the next worker reads it."""
        share = self._counts.done / self._sampled if self._sampled else 0.0
        return {"counts": self._counts.document, "share": share}

    def run(self) -> TrialEnd:
        """Run the sample; TrialStoppedError, PlatformError."""
        desk, spec, trial = self._desk, self._spec, self._desk.trial
        own = own_comparison(spec.agreement, guarded=spec.guarded)
        by = Comparison(spec, own, _token if spec.guarded else str)
        jobs = sample(desk.session, trial.model, spec)
        self._sampled = len(jobs)
        if spec.labels is not None:
            self._counts.skipped.unknown = len(spec.labels) - len(jobs)
        other = nullcontext(None) if trial.stable is None else desk.held(trial.stable)
        with other as stable, desk.held(trial.candidate) as candidate:
            for rows, upto in self._batches(self._left(jobs), candidate, stable):
                self._run_batch(rows, candidate, stable, by)
                self._note(upto)
        return self._end()

    def _end(self) -> TrialEnd:
        report = backtest_report(self._counts, self._spec)
        if not self._counts.ran:
            return TrialEnd(TrialState.FAILED, "None of the stored inputs could be read.", report)
        return TrialEnd(TrialState.DONE, backtest_sentence(report), report)

    def _left(self, jobs: Sequence[UUID]) -> list[UUID]:
        """Return the jobs of the sample that no earlier worker has run; jobs may have gone meanwhile."""
        last = self._counts.last
        return [job for job in jobs if last is None or _place(job) > _place(last)]

    def _batches(
        self, jobs: Sequence[UUID], candidate: Loaded, stable: Loaded | None
    ) -> Iterator[tuple[list[StoredInput], UUID]]:
        """Yield batches of the sizes to compare, each with the last job that it settles."""
        device = self._desk.place.loader.pool.device
        versions = [candidate] if stable is None else [candidate, stable]
        sizes = sizes_up_to(min(version.info.on(device).max_batch for version in versions))
        turn, batch = 0, list[StoredInput]()
        for at in range(0, len(jobs), READ_AT_ONCE):
            part = jobs[at : at + READ_AT_ONCE]
            by_job = {row.job: row for row in read_inputs(self._desk.session, part)}
            for job in part:
                batch.append(by_job.get(job) or _missing(job))
                if sum(_may_run(row) for row in batch) == sizes[turn % len(sizes)]:
                    yield batch, job
                    turn, batch = turn + 1, []
        if batch:
            yield batch, jobs[-1]

    def _run_batch(
        self, rows: Sequence[StoredInput], candidate: Loaded, stable: Loaded | None, by: Comparison
    ) -> None:
        """Run a batch, and count it once all of it has run: a worker that dies meanwhile counts nothing."""
        skipped = self._counts.skipped
        cancelled = sum(row.state == State.CANCELLED for row in rows)
        runs = list(paired_runs(self._desk, [row for row in rows if _may_run(row)], candidate, stable))
        skipped.cancelled += cancelled
        skipped.gone += sum(row.body is None for row in rows if row.state != State.CANCELLED)
        self._counts.done += len(rows)
        for run in runs:
            skipped.unreadable += len(run.unreadable)
            if run.seconds is not None:
                self._counts.times.add(run.size, *run.seconds)
            for pair in run.pairs:
                self._counts.add(pair, by)

    def _note(self, upto: UUID) -> None:
        self._counts.last = upto
        self._desk.note(self.progress)


def _may_run(row: StoredInput) -> bool:
    return row.body is not None and row.state != State.CANCELLED


def _missing(job: UUID) -> StoredInput:
    """Return what stands for a job whose row went since the sample was drawn."""
    return StoredInput(job, 0, 0, "", None, None, None, encrypts=False, wrapped=None, answer=None)


def _place(job: UUID) -> tuple[str, UUID]:
    """Return what the sample is ordered by, as Postgres reckons it."""
    return md5(str(job).encode(), usedforsecurity=False).hexdigest(), job


def _token(label: str) -> str:
    return str(vault.token(label))
