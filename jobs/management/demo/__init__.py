"""The parts of the demo: real sentences, the calls of the platform, the figures and their output."""
