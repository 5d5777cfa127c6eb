"""Values of roll-outs: requests on rules and roll-outs, and what the attempts of jobs say of versions. Pure."""
