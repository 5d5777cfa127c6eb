"""Duels: both versions run recorded batches one after the other; one in ten the stable version twice."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any
from uuid import UUID

from jobs.core.trials.duel_batch import DuelTerms, duel_counts, noise_counts
from jobs.core.trials.duel_words import duel_sentence
from jobs.core.trials.trial_specs import DuelSpec, spec_of
from jobs.models.rollouts.version_trial import TrialState
from jobs.services.trials.stored_inputs import RecordedBatch, read_inputs, recorded_batches
from jobs.services.trials.trial_rows import TrialEnd
from jobs.worker.trials.own_comparison import own_comparison
from jobs.worker.trials.paired_runs import PairedRun, paired_runs
from jobs.worker.trials.trial_desk import TrialDesk
from models_registry.core.rollouts.evidence.duel_counts import DuelEvidence, with_duels
from models_registry.loaders.ready import Loaded

NOISE_SHARE = 0.1
AT_ONCE = 50  # batches that are read at once


class DuelTrial:
    """Runs the duels of one trial, and goes on where an earlier worker stopped."""

    def __init__(self, desk: TrialDesk) -> None:
        spec = spec_of(DuelSpec, desk.spec)
        self._desk, self._spec, progress = desk, spec, desk.trial.progress
        self._evidence = DuelEvidence.of(progress.get("duels", {}))
        self._before = UUID(progress["before"]) if progress.get("before") else spec.before
        self._seen, self._warm, self._all_run = set[bytes](), False, False

    @property
    def progress(self) -> dict[str, Any]:
        """Return how far they are, as `for_rollouts` and the next worker read it."""
        pairs = self._wanted
        return {
            "duels": self._evidence.document,
            "before": None if self._before is None else str(self._before),
            "share": min(1.0, self._evidence.pairs / pairs) if pairs else 1.0,
            "all_run": self._all_run,
        }

    def run(self) -> TrialEnd:
        """Run duels until there are enough, or no more inputs; TrialStoppedError, PlatformError."""
        trial = self._desk.trial
        assert trial.stable is not None  # noqa: S101  # a roll-out has both versions
        with self._desk.held(trial.stable) as stable, self._desk.held(trial.candidate) as candidate:
            guarded = stable.info.secrecy.guarded or candidate.info.secrecy.guarded
            own = own_comparison(self._spec.agreement, guarded=guarded)
            terms = DuelTerms(self._spec.agreement, self._spec.slower, own)
            for batch in self._batches():
                self._run_batch(batch, candidate, stable, terms)
                self._before = batch.id
                self._desk.note(self.progress)
        words = duel_sentence(self._evidence, all_run=self._all_run)
        return TrialEnd(TrialState.DONE, words, self._evidence.document)

    @property
    def _wanted(self) -> int:
        """Return how many pairs are asked for now: the roll-out may ask for more meanwhile."""
        return spec_of(DuelSpec, self._desk.spec).pairs

    def _batches(self) -> Iterator[RecordedBatch]:
        trial = self._desk.trial
        while self._evidence.pairs < self._wanted:
            batches = recorded_batches(
                self._desk.session,
                model=trial.model,
                candidate=trial.candidate,
                before=self._before,
                most=AT_ONCE,
            )
            self._all_run = not batches
            if not batches:
                return
            for batch in batches:
                if self._evidence.pairs >= self._wanted:
                    return
                yield batch

    def _run_batch(self, batch: RecordedBatch, candidate: Loaded, stable: Loaded, terms: DuelTerms) -> None:
        device = self._desk.place.loader.pool.device
        most = min(loaded.info.on(device).max_batch for loaded in (candidate, stable))
        stored = [row for row in read_inputs(self._desk.session, batch.members) if row.body is not None]
        is_noise = random.random() < NOISE_SHARE  # noqa: S311  # a sample, not a secret
        ours = stable if is_noise else candidate
        for at in range(0, len(stored), most):
            for run in paired_runs(self._desk, stored[at : at + most], ours, stable):
                self._count(run, terms, is_noise=is_noise)

    def _is_new(self, digest: bytes) -> bool:
        """Return whether no equal input was counted before, and note it; one without a digest is new."""
        before = len(self._seen)
        self._seen.update([digest] if digest else ())
        return not digest or len(self._seen) > before

    def _count(self, run: PairedRun, terms: DuelTerms, *, is_noise: bool) -> None:
        """Count a batch, and of equal inputs the first: a client that sends one again adds no proof."""
        new = [pair for pair, digest in zip(run.pairs, run.digests, strict=True) if self._is_new(digest)]
        seconds = None
        if self._warm and run.seconds is not None and run.seconds[1] is not None:
            seconds = run.seconds[0], run.seconds[1]
        self._warm = True  # the first batch shows what has yet to be prepared
        counts = noise_counts if is_noise else duel_counts
        self._evidence = with_duels(self._evidence, counts(new, seconds, terms))
