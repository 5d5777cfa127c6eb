"""A discrete-event simulation of the queue and its workers, driving the very policy that they run.

Pure: virtual time is a number, chance an argument. `world.simulate` is the front door.
"""
