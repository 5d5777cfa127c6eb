"""The dashboards about what runs the jobs: workers and devices, relay and broker, the database."""

from __future__ import annotations

from inference_site.watching.panels import (
    Dashboard,
    celsius,
    count,
    each_second,
    in_bytes,
    seconds,
    share,
    watts,
)
from inference_site.watching.queries import RATE, Query, age, biggest, quantile, rate, summed

BUSY = f"sum by (instance) (rate(inference_lane_busy_seconds_total[{RATE}]))"

WORKER = Dashboard(
    "worker",
    "Worker and device",
    (
        share(
            "Busy lanes",
            Query(f"{BUSY} / sum by (instance) (inference_lanes)", "{{instance}}"),
            note="The part of their time for which lanes run batches. A device's own figure only says that"
            " some kernel ran.",
        ),
        share("Device utilisation", biggest("inference_device_utilization_ratio", "instance", "device")),
        count("Busy lanes by model", rate("inference_lane_busy_seconds_total", "model"), stacked=True),
        in_bytes("Device memory", biggest("inference_device_memory_bytes", "instance", "device", "kind")),
        watts("Power", biggest("inference_device_power_watts", "instance", "device")),
        celsius("Temperature", biggest("inference_device_temperature_celsius", "instance", "device")),
        in_bytes("Memory of loaded versions", summed("inference_pool_bytes", "version"), stacked=True),
        each_second("Loads", rate("inference_pool_loads_total", "version", "outcome")),
        each_second("Evictions", rate("inference_pool_evictions_total", "version")),
        seconds("One load", quantile(0.95, "inference_model_load_seconds", over="1h")),
        count("Versions that cannot be loaded", summed("inference_model_load_failed", "version")),
        each_second(
            "Versions that rest on one worker",
            rate("inference_version_rests_total", "version"),
            note="They fail there and not on others: that worker's device is suspected.",
        ),
        each_second("Jobs taken back from dead workers", rate("inference_sweep_reaped_total", "job")),
        in_bytes("Memory of processes", summed("process_resident_memory_bytes", "job", "instance")),
        count("Cores of processes", rate("process_cpu_seconds_total", "job", "instance")),
    ),
)

RELAY = Dashboard(
    "relay",
    "Relay and broker",
    (
        each_second("Jobs by the broker's answer", rate("inference_relay_published_total", "outcome")),
        seconds("Due to published", quantile(0.95, "inference_relay_lag_seconds")),
        count("Published and not yet claimed", biggest("inference_outbox_in_flight_jobs", "model")),
        count("Queues that are fed", summed("inference_relay_queues_owned", "instance")),
        count("Blocked connections", summed("inference_broker_blocked_connections", "job")),
        seconds("Since the last sweep", age("inference_sweep_last_timestamp_seconds", "sweep")),
        each_second("Retries", rate("inference_relay_retries_total", "model")),
        each_second(
            "Retries that the budget postponed", rate("inference_relay_retries_postponed_total", "model")
        ),
        each_second(
            "Dead letters by the broker's answer", rate("inference_letters_published_total", "outcome")
        ),
        count(
            "Circuits", biggest("inference_circuit_state", "version"), note="0 closed, 1 half open, 2 open."
        ),
        count("Clients that a circuit holds back", biggest("inference_clients_held", "version")),
        each_second(
            "Refused messages",
            rate("inference_messages_newer_total", name="of a later release"),
            rate("inference_messages_forged_total", name="forged"),
        ),
    ),
)

DATABASE = Dashboard(
    "database",
    "Database",
    (
        *(
            seconds(title, quantile(0.95, "inference_stage_seconds", "model", where=f'{{stage="{stage}"}}'))
            for title, stage in (
                ("A batch's claim", "claim"),
                ("A batch's settle", "settle"),
                ("A call's admission", "admit"),
            )
        ),
        seconds("One count of what waits", quantile(0.95, "inference_survey_seconds")),
        seconds("Age of the count", Query("min(inference_survey_age_seconds)", "age")),
        seconds(
            "Oldest open transaction",
            biggest("inference_database_horizon_seconds", "application"),
            note="It keeps dead rows.",
        ),
        seconds(
            "The host's clock ahead of the database's",
            biggest("inference_host_clock_ahead_seconds", "instance"),
        ),
        seconds(
            "Since the last",
            age("inference_retention_last_timestamp_seconds", "retention"),
            age("inference_beat_last_timestamp_seconds", "task of beat"),
            age("inference_audit_sealed_timestamp_seconds", "seal of the audit"),
        ),
        count("Partitions left over", biggest("inference_retention_left_partitions", "instance")),
        count(
            "Rows without their day",
            biggest("inference_retention_misplaced_rows", "table", name="without a partition"),
            biggest("inference_retention_outlived_rows", "table", name="kept beyond its day"),
        ),
        each_second("Payloads that cannot be read", rate("inference_payloads_refused_total", "code")),
        each_second(
            "What failed",
            rate("inference_sweep_failed_total", name="sweeps"),
            rate("inference_audit_export_failures_total", name="exports of the audit"),
        ),
    ),
)
