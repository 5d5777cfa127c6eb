"""A discrete-event simulation of admission, queue and workers, which run the product's own policies.

Pure: virtual time is a number, and chance is an argument. The entry point is `world.simulate`.
"""
