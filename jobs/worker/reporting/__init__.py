"""Reports of what became of deliveries: to the broker, to `inspect` and to Flower."""
