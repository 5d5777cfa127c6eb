"""The device of a worker: whether it still answers, and what its errors mean."""
