from jobs.core.operations.host_tables import clients_table, parts_table, relays_table, workers_table
from jobs.core.operations.operations_reading import LoadedVersion, PartReading, RelayReading
from jobs.core.operations.page_table import PageCell
from tests.support.readings import reading, worker_reading


def test_a_client_has_what_waits_and_its_speed() -> None:
    (row,) = clients_table(reading()).rows
    assert [cell.text for cell in row.cells] == ["search", "10", "29.5/s", "60 ms", "190 ms", "1.2 s"]


def test_a_worker_has_zone_device_lanes_and_memory() -> None:
    loaded = [LoadedVersion(version="echo:1", state="ready", memory_bytes=1)]
    (row,) = workers_table(reading(workers=[worker_reading(loaded=loaded, zone="eu-1a")])).rows
    assert [cell.text for cell in row.cells] == [
        "gpu-0@host", "eu-1a", "NVIDIA H200", "echo", "echo:1", "2", "2 (31 jobs)", "150/s", "190 ms",
        "29.2 GiB of 131 GiB", "800 ms ago",
    ]  # fmt: skip


def test_a_silent_worker_and_a_failed_load_are_red() -> None:
    loaded = [LoadedVersion(version="echo:1", state="failed", memory_bytes=None)]
    worker = worker_reading(alive=False, heartbeat_age_s=42.0, loaded=loaded, memory_used_bytes=None)
    (row,) = workers_table(reading(workers=[worker])).rows
    red = [cell.text for cell in row.cells if cell.level == "red"]
    assert red == ["gpu-0@host", "echo:1 (failed)", "42.0 s ago"]
    assert row.cells[9].text == "-"


def test_a_relay_has_its_queues_and_lease() -> None:
    gone = RelayReading(label="relay@host:1", alive=False, queues=[], left_s=-3.0)
    (row,) = relays_table(reading(relays=[gone])).rows
    assert row.cells == [PageCell("relay@host:1"), PageCell("-"), PageCell("ended", "red")]


def test_a_part_that_does_not_work_says_for_how_long() -> None:
    parts = {
        "survey": PartReading(ok=False, age_s=23.0, text="No relay counts."),
        "broker": PartReading(ok=True, age_s=None, text=""),
    }
    survey, broker = parts_table(reading(parts=parts)).rows
    assert survey.cells[1:] == [
        PageCell("does not work", "red"),
        PageCell("No relay counts."),
        PageCell("23.0 s old", "amber"),
    ]
    assert broker.cells[3].text == "-"
