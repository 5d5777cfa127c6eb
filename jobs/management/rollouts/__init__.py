"""What the commands for rules and roll-outs are made of."""
