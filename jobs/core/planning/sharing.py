"""Which models are served by the same workers: where they fit a device together and it costs less.

Only small models gain: what is saved is the rest of a worker that each rounds up, in each zone. A model on
many workers stays alone. No plan relies on versions that evict each other: a device holds all its models.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from jobs.core.planning.plan_file import PlanInput

MOST_SHARERS = 4  # the partitions of so many are tried, all of them

Group = tuple[str, ...]


def kinds_of(plan: PlanInput, group: Group) -> list[str]:
    """Return the kinds of devices that may serve all models of a group and hold them together."""
    memory_gib = sum(plan.models[name].memory_gib for name in group)
    return [
        kind
        for kind, device in plan.devices.items()
        if device.memory_gib >= memory_gib
        and all(not plan.models[name].devices or kind in plan.models[name].devices for name in group)
    ]


def partitions(names: Sequence[str]) -> Iterator[list[Group]]:
    """Yield every way to divide the names into groups; the first leaves each alone."""
    if not names:
        yield []
        return
    first, *rest = names
    for divided in partitions(rest):
        yield [(first,), *divided]
    for divided in partitions(rest):
        for place, group in enumerate(divided):
            yield [*divided[:place], (first, *group), *divided[place + 1 :]]


def why_grouped(plan: PlanInput, group: Group, *, small: bool) -> str:
    """Return a sentence on why these models share workers, or why one has its own."""
    if len(group) > 1:
        memory_gib = sum(plan.models[name].memory_gib for name in group)
        return f"they fit a device together ({memory_gib:g} GiB) and cost less than apart"
    if len(plan.models) == 1:
        return "it is the only model"
    if not small:
        return "it fills many workers, so that sharing would save nothing worth a longer wait"
    others = [name for name in plan.models if name != group[0]]
    if not any(kinds_of(plan, (group[0], other)) for other in others):
        return "no device that may serve it holds another model beside it"
    return "alone it costs no more than beside another model"
