"""The operator's pages of dead letters: list, group, mend, replay, discard."""
