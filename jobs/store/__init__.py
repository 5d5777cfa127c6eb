"""The bulk statements on a job's rows: SQLAlchemy Core over psycopg 3, tables from the Django models."""
