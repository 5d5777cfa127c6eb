"""Flower, as a viewer alone: it reads workers' events from the broker, and has nothing else to read."""
