"""What the platform decides about roll-outs as values: requests on them, and first attempts. Pure."""
