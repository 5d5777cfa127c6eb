"""How many workers a forecast needs, of which kinds and in which zones, what they cost, what is full first.

Pure, and fluid first: see `fleet_planner`. Chance is an argument, so the same file gives the same plan.
"""
