"""From a goal to settings: which of some thousand settings takes the highest rate within the goal.

Pure: the simulator answers what a setting does at a rate, and the search decides what to simulate next.
"""
