"""The batching policy: one plain object without clock, thread or queue.

A batch is sealed as late as possible: when the device is idle, or just in time for it to become idle,
because an item that arrives until then may be more urgent. A full batch is sealed a little earlier, because
there an idle device costs most. Where the platform's processors are scarce, a batch waits for company, as its
claim and settle cost the same whatever it holds. Keys (model versions) take turns. Within a key, waiting
raises the priority and clients take turns. Where items are padded to the longest, those lengths that cost
least per item share a batch.

Starvation is bounded. A key with items gets its next batch after at most 9 times AGING_S and one batch of
every other key. Within a key, of two items without deadlines, the one with a priority p levels higher goes
first only if it arrived less than p times AGING_S later. A deadline counts as an arrival PATIENCE_S before
it. Within a priority, each other client gets at most one item between two items of one client.

Batches are fast or slow, by their items and by the version's option. Where both are due, a fast one follows a
slow one, so that fast items wait for one slow batch at most. How many slow batches run at once is the
caller's to say; on a single lane they are cut to a slice of time instead. A slow key may then wait twice as
long for its turn.

A key may be held, while its model is being loaded: then up to one batch of its items waits here and is not
sealed. The least urgent items beyond that are sealed all the same, for the caller to send elsewhere: they
would take the place of other keys' items.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator
from typing import Generic

from jobs.core.batching.estimators import Estimators, OverheadEstimate, PlatformCost
from jobs.core.batching.fair_queue import PATIENCE_S, Token, Waiting
from jobs.core.batching.group import AGING_S, Group
from jobs.core.batching.length_window import cheapest, cut, within
from jobs.core.batching.sealed_batch import BatchLimits, SealedBatch, SealReason
from jobs.core.batching.service_time import ServiceTime
from jobs.core.batching.size_bound import SizeBound, bound_of, linger_until
from jobs.core.batching.slow_keys import SlowKeys

_GAP_WEIGHT = 8.0  # if a lead is at most an eighth of a run, one lead is enough
WINDOW = 512  # items among which lengths are matched
FULL_LEADS = 3.0  # in a backlog a batch is ready up to so many leads before it has to be


class BatchPolicy(Generic[Token]):
    """Decides which items form the next batch and when; `limits` gives the limits of a key.

    `slices` cuts slow batches to a slice of time, for a worker with a single lane.
    """

    def __init__(self, limits: Callable[[Hashable], BatchLimits], *, slices: bool = False) -> None:
        self._limits, self._slices = limits, slices
        self._groups: dict[tuple[Hashable, Hashable], Group[Token]] = {}
        self._estimators: dict[Hashable, Estimators] = {}
        self._overhead = OverheadEstimate()
        self._platform = PlatformCost()
        self._held = set[Hashable]()
        self._slow, self._after_slow = SlowKeys(limits), False

    def __len__(self) -> int:
        return sum(map(len, self._groups.values()))

    def __iter__(self) -> Iterator[Token]:
        return (item.token for group in self._groups.values() for item in group)

    def add(  # noqa: PLR0913  # one item's properties, each by name
        self,
        token: Token,
        now: float,
        *,
        key: Hashable,
        parameters_digest: Hashable = None,
        isolation_group: int = 0,
        size: int = 1,
        priority: int = 0,
        client: int = 0,
        deadline_s: float | None = None,
        slow: bool = False,
    ) -> None:
        """Add one item; items that differ in key, parameters, isolation group or lane share no batch.

        `slow` says that it came to the slow lane.
        """
        due_s = now + PATIENCE_S if deadline_s is None else min(deadline_s, now + PATIENCE_S)
        item = Waiting(token, now, max(size, 1), priority, client, deadline_s, due_s)
        name = (key, (parameters_digest, isolation_group, slow))
        group = self._groups.get(name)
        if group is None:
            group = self._groups[name] = Group(key, isolation_group, slow)
        group.add(item)
        self._of(key, now).arrivals.observe(now)

    def discard(self, unwanted: Callable[[Token], bool]) -> list[Token]:
        """Remove and return the tokens for which `unwanted` is true."""
        dropped = [token for group in self._groups.values() for token in group.discard(unwanted)]
        self._groups = {name: group for name, group in self._groups.items() if len(group)}
        return dropped

    def due_at(self, now: float, *, device_free_at: float, takes_slow: bool = True) -> float | None:
        """Return when `take` will seal a batch if no item arrives: `now` for at once, None for never."""
        dues = (self._due(group, now, device_free_at) for group in self._sealable(takes_slow).values())
        return min(dues, default=None)

    def take(
        self, now: float, *, device_free_at: float = 0.0, draining: bool = False, takes_slow: bool = True
    ) -> SealedBatch[Token] | None:
        """Seal and return the next batch if it is due, else None; a slow one only where `takes_slow`."""
        groups = self._sealable(takes_slow).items()
        names = [n for n, g in groups if draining or self._due(g, now, device_free_at) <= now]
        if not names:
            return None
        name = self._most_urgent(self._fast_of(names) if self._after_slow else names)
        return self._seal(name, now, max(now + self._overhead.mean_s, device_free_at), draining=draining)

    def hold(self, key: Hashable) -> None:
        """Seal no items of `key` until `free` is called, but for those beyond one batch."""
        self._held.add(key)

    def free(self, key: Hashable) -> None:
        """Let items of `key` be sealed again."""
        self._held.discard(key)

    def observe(self, key: Hashable, padded_size: int, seconds: float) -> None:
        """Learn from one run of `padded_size` that took `seconds`."""
        estimators = self._of(key, 0.0)
        estimators.service.observe(padded_size, seconds)
        estimators.memory.succeeded(padded_size)
        self._slow.observe(key, self._estimators)

    def observe_memory(self, key: Hashable, padded_size: int) -> None:
        """Learn that a run of `padded_size` ran out of memory."""
        self._of(key, 0.0).memory.failed(padded_size)

    def observe_claim(self, seconds: float) -> None:
        """Learn the seconds from the seal of a batch until it can run."""
        self._overhead.observe(seconds)

    def observe_platform(self, seconds: float) -> None:
        """Learn the seconds that the claim and the settle of a batch took together."""
        self._platform.observe(seconds)

    def observe_load(self, busy: float) -> None:
        """Note how busy the platform is, from 0 to 1: from some load on a batch is worth waiting for."""
        self._platform.busy = busy

    def longest(self, key: Hashable) -> float:
        """Return the most that an item adds to a padded size: 1 where batches of `key` are not padded."""
        limits = self._limits(key)
        return (limits.longest or float("inf")) if limits.padded else 1

    def service_time(self, key: Hashable) -> ServiceTime:
        """Return the learned service time of `key`."""
        return self._of(key, 0.0).service

    def _sealable(self, takes_slow: bool) -> dict[tuple[Hashable, Hashable], Group[Token]]:  # noqa: FBT001  # private
        groups = self._groups
        if not takes_slow:
            groups = {name: group for name, group in groups.items() if not self._runs_slow(group)}
        if not self._held:
            return groups
        held = {key for key in self._held if self._count(key) <= self._limits(key).max_batch}
        return {name: group for name, group in groups.items() if group.key not in held}

    def _runs_slow(self, group: Group[Token]) -> bool:
        return group.slow or group.key in self._slow

    def _fast_of(self, names: list[tuple[Hashable, Hashable]]) -> list[tuple[Hashable, Hashable]]:
        """Return the names of fast groups, or all if there are none."""
        return [name for name in names if not self._runs_slow(self._groups[name])] or names

    def _count(self, key: Hashable) -> int:
        return sum(len(group) for group in self._groups.values() if group.key == key)

    def _of(self, key: Hashable, now: float) -> Estimators:
        estimators = self._estimators.get(key)
        if estimators is None:
            estimators = self._estimators[key] = Estimators(now, now)
        return estimators

    def _most_urgent(self, names: list[tuple[Hashable, Hashable]]) -> tuple[Hashable, Hashable]:
        """Return the most urgent group of the key and lane whose turn it is."""
        if len(names) == 1:
            return names[0]
        turns: dict[tuple[Hashable, bool], float] = {}
        for name in names:
            whose, sealed_s = self._turn(name)
            turn = sealed_s - max(self._groups[name].queues) * AGING_S
            turns[whose] = min(turn, turns.get(whose, turn))
        next_one = min(turns, key=turns.__getitem__)
        alike = (name for name in names if self._turn(name)[0] == next_one)
        return min(alike, key=lambda name: self._groups[name].aged_s)

    def _turn(self, name: tuple[Hashable, Hashable]) -> tuple[tuple[Hashable, bool], float]:
        """Return whose turn a group's batch is, and when these last had one."""
        group = self._groups[name]
        slow, estimators = self._runs_slow(group), self._estimators[group.key]
        return (group.key, slow), estimators.slow_sealed_s if slow else estimators.sealed_s

    def _due(self, group: Group[Token], now: float, device_free_at: float) -> float:
        limits = self._limits(group.key)
        full = len(group) >= limits.max_batch
        idle = device_free_at <= now
        ready = now if idle else max(now, device_free_at - self._lead_s(group.key, full=full))
        estimators, platform_s = self._of(group.key, now), self._platform.weighed_s
        cost_s = platform_s + (estimators.service.fixed_s if idle else 0.0)
        if full or not cost_s:
            return ready
        until = linger_until(group, limits, estimators, now=now, cost_s=cost_s)
        group.lingering = group.lingering or until > ready
        return max(ready, until)

    def _lead_s(self, key: Hashable, *, full: bool) -> float:
        """Return how long before the device is free a batch is sealed.

        A full one is sealed earlier, because there a gap costs most. But a gap is a small part of a long run,
        and an item that arrives after an early seal waits for the whole next run.
        """
        lead_s, run_s = self._overhead.lead_s, self._of(key, 0.0).service.typical_s
        if not full or not run_s:
            return lead_s
        return lead_s * min(max(_GAP_WEIGHT * lead_s / run_s, 1.0), FULL_LEADS)

    def _seal(
        self, name: tuple[Hashable, Hashable], now: float, start_s: float, *, draining: bool
    ) -> SealedBatch[Token]:
        group = self._groups[name]
        limits, estimators = self._limits(group.key), self._of(group.key, now)
        slow = self._after_slow = self._runs_slow(group)
        bound = bound_of(group, limits, estimators, start_s=start_s, sliced=slow and self._slices)
        held = group.key in self._held
        chosen = self._surplus(group, limits) if held else self._choose(group, limits, bound)
        longest = max(item.size for item in chosen) if limits.padded else 1
        reason = _reason(group, chosen, limits, bound, draining=draining)
        group.remove(chosen)
        group.lingering = False
        if slow:
            estimators.slow_sealed_s = now
        else:
            estimators.sealed_s = now
        if not len(group):
            del self._groups[name]
        waited_s = now - min(item.arrived_s for item in chosen)
        tokens = [item.token for item in chosen]
        padded_size = len(chosen) * longest
        return SealedBatch(group.key, tokens, padded_size, reason, waited_s, group.isolation_group, now, slow)

    def _surplus(self, group: Group[Token], limits: BatchLimits) -> list[Waiting[Token]]:
        """Return what is beyond one batch of a held key: the least urgent, because the others run first."""
        beyond = max(self._count(group.key) - limits.max_batch, 1)
        return group.first(len(group))[-min(beyond, limits.max_batch) :]

    def _choose(self, group: Group[Token], limits: BatchLimits, bound: SizeBound) -> list[Waiting[Token]]:
        most = limits.max_batch
        if not limits.padded:
            most = max(int(min(bound.size, most)), 1)
            return within(group.first(most), limits.max_input_bytes or float("inf"))
        alike = group.same_level(least=most, most=WINDOW)
        if limits.longest:
            cut(alike, limits.longest)
        return cheapest(alike, most=most, bound=bound.size, service=self.service_time(group.key))


def _reason(
    group: Group[Token],
    chosen: list[Waiting[Token]],
    limits: BatchLimits,
    bound: SizeBound,
    *,
    draining: bool,
) -> SealReason:
    longest = max(item.size for item in chosen) if limits.padded else 1
    if len(chosen) >= limits.max_batch:
        return SealReason.FULL
    if len(chosen) < len(group) and (len(chosen) + 1) * longest > bound.size:
        return bound.reason
    if not limits.padded and len(chosen) < len(group):
        return SealReason.BYTES
    if draining:
        return SealReason.DRAIN
    return SealReason.LINGER if group.lingering else SealReason.IDLE
