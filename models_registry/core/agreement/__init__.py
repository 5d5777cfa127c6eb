"""When the outputs of two versions agree: how a person writes it, and the comparison. Pure."""
