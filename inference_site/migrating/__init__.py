"""Rules for migrations that run while processes of the release before still work, and their linter."""
