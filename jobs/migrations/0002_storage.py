"""How Postgres lays the rows out: room for HOT updates, results outside the compressor, a busy outbox vacuumed often."""

from django.db import migrations

FORWARD = """
ALTER TABLE jobs_job SET (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02, autovacuum_analyze_scale_factor = 0.05);
ALTER TABLE jobs_outbox SET (fillfactor = 70, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000);
ALTER TABLE jobs_batch SET (fillfactor = 80);
ALTER TABLE jobs_worker SET (fillfactor = 50);
ALTER TABLE jobs_jobresult ALTER COLUMN body SET STORAGE EXTERNAL;
"""
BACKWARD = """
ALTER TABLE jobs_job RESET (fillfactor, autovacuum_vacuum_scale_factor, autovacuum_analyze_scale_factor);
ALTER TABLE jobs_outbox RESET (fillfactor, autovacuum_vacuum_scale_factor, autovacuum_vacuum_threshold);
ALTER TABLE jobs_batch RESET (fillfactor);
ALTER TABLE jobs_worker RESET (fillfactor);
ALTER TABLE jobs_jobresult ALTER COLUMN body SET STORAGE EXTENDED;
"""


class Migration(migrations.Migration):
    dependencies = [("jobs", "0001_first")]
    operations = [migrations.RunSQL(FORWARD, BACKWARD)]
