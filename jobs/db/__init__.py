"""Access to Postgres: engines, sessions, tables, statements, locks, LISTEN and NOTIFY."""
