"""Circuit breakers of model versions."""
