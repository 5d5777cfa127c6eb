"""Draws one simulated roll-out: share, evidence against its bound, jobs met against the budget."""

from __future__ import annotations

from pathlib import Path

from models_registry.core.rollouts.judging.findings import ALPHA_FAILURES, SUSPICIOUS_E
from models_registry.core.rollouts.simulation.virtual_rollout import VirtualEnd

_LEAST_E = 1e-3  # less evidence is drawn as this much


def draw_rollout(end: VirtualEnd, path: Path) -> None:
    """Write the picture of a roll-out with a trail to a .png or .svg file; it reads the same in grey."""
    from matplotlib.figure import Figure  # the import takes half a second, which only a picture needs

    figure = Figure(figsize=(8, 8), layout="constrained", facecolor="white")
    share, evidence, met = figure.subplots(3, 1, sharex=True)
    hours = [point.at_s / 3_600.0 for point in end.trail]
    share.step(hours, [point.share_ppm / 10_000 for point in end.trail], color="black", where="post")
    share.set_ylabel("share, %")
    evidence.plot(hours, [max(_LEAST_E, point.e) for point in end.trail], color="black", label="e, failures")
    evidence.axhline(1 / ALPHA_FAILURES, color="0.3", linestyle="--", label="rolled back")
    evidence.axhline(SUSPICIOUS_E, color="0.6", linestyle=":", label="suspicious")
    evidence.set_yscale("log")
    evidence.set_ylabel("evidence")
    met.plot(hours, [point.met for point in end.trail], color="black", label="met")
    met.axhline(end.budget, color="0.3", linestyle="--", label="budget, until it is proven")
    met.set_ylabel("jobs of the candidate")
    met.set_xlabel("virtual hours")
    for axes in (share, evidence, met):
        axes.grid(visible=True, color="0.85")
    evidence.legend()
    met.legend()
    figure.savefig(path, dpi=120)
