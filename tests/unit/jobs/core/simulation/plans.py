"""Random plans and arrivals, and short ways to write a plan down."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from jobs.core.batching.sealed_batch import BatchLimits
from jobs.core.simulation.arrivals import Arrival
from jobs.core.simulation.plan import Crew, Model, Overheads, SimulationPlan, Timing


def plan(run: Timing, limits: BatchLimits | None = None, **fields: Any) -> SimulationPlan:
    return SimulationPlan({0: Model(run, limits or BatchLimits())}, **fields)


timings = st.builds(
    Timing,
    base_s=st.floats(0.001, 0.5),
    per_unit_s=st.floats(0.0, 0.05),
    jitter=st.sampled_from([0.0, 0.3]),
    crowding=st.sampled_from([0.0, 0.4]),
)
limits = st.builds(
    BatchLimits,
    max_batch=st.integers(1, 8),
    max_padded_size=st.sampled_from([0, 40, 200]),
    padded=st.booleans(),
    p95_goal_s=st.sampled_from([0.0, 0.3]),
)
steps = st.builds(Timing, base_s=st.sampled_from([0.0, 0.01, 0.2]), per_unit_s=st.sampled_from([0.0, 0.01]))
crews = st.builds(
    Crew,
    workers=st.integers(1, 3),
    lanes=st.integers(1, 3),
    prefetch=st.sampled_from([1, 2, 7, 256]),
    memory_bytes=st.sampled_from([None, None, 100]),
    busy=st.sampled_from([0.0, 0.9]),
)
models = st.builds(
    Model,
    timings,
    limits,
    queue=st.sampled_from(["", "other"]),
    load_s=st.just(0.5),
    memory_bytes=st.sampled_from([0, 60]),
    cold=st.booleans(),
    failing=st.sampled_from([0.0, 0.0, 0.5]),
)
plans = st.builds(
    SimulationPlan,
    models=st.fixed_dictionaries(dict.fromkeys((0, 1), models)),
    crew=crews,
    overheads=st.builds(Overheads, deliver_s=st.sampled_from([0.0, 0.02]), claim=steps, settle=steps),
    sheds=st.booleans(),
    depth=st.sampled_from([0, 3, 40]),
)


@st.composite
def arrivals(draw: st.DrawFn) -> list[Arrival]:
    rows = draw(
        st.lists(
            st.tuples(
                st.sampled_from([0.0, 0.001, 0.05, 0.7]),
                st.integers(1, 50),
                st.sampled_from([0, 4, 9]),
                st.integers(0, 2),
                st.integers(0, 1),
                st.sampled_from([None, None, 0.3, 2.0]),
            ),
            max_size=60,
        )
    )
    at_s, moments = 0.0, []
    for gap_s, *rest in rows:
        at_s += gap_s
        moments.append(Arrival(at_s, *rest))
    return moments
