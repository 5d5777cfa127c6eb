"""Where artifacts come from, and the content store in which the platform keeps them.

A source is read once, by the process that registers a version. Workers read the content store alone.
"""
