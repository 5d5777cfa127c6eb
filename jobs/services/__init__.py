"""The services, which change jobs and read them: a room for each concept, its SQL statements beside them."""
