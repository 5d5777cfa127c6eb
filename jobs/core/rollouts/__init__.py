"""What the attempts of jobs say of the versions in a roll-out, as values. Pure."""
