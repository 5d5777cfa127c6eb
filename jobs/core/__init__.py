"""Pure decisions: no clock, no I/O, no framework; time, chance and load are arguments."""
