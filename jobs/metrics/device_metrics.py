"""What a worker's GPU does, as NVML says it."""

from __future__ import annotations

from jobs.metrics.metric_kinds import gauge

DEVICE_UTILIZATION = gauge(
    "inference_device_utilization_ratio",
    "Part of the time in which some kernel ran on the device, however few of its cores it took.",
    "device",
    mode="livemostrecent",
)
DEVICE_MEMORY = gauge(
    "inference_device_memory_bytes",
    "The device's memory, by kind: used, free or total.",
    "device",
    "kind",
    mode="livemostrecent",
)
DEVICE_POWER = gauge(
    "inference_device_power_watts", "What the device draws.", "device", mode="livemostrecent"
)
DEVICE_TEMPERATURE = gauge(
    "inference_device_temperature_celsius",
    "Temperature of the device's chip.",
    "device",
    mode="livemostrecent",
)
