"""The operator's pages of dead letters: list, group, edit, replay, discard."""
