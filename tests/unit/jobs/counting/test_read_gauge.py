from prometheus_client import CollectorRegistry, generate_latest

from jobs.counting.read_gauge import ReadGauge


def test_what_is_unknown_is_left_out() -> None:
    registry = CollectorRegistry(support_collectors_without_names=True)
    family = ReadGauge("depth", "How deep.", ("model",)).family([(("a",), 0), (("b",), None)])
    registry.register(type("Once", (), {"collect": lambda _self: [family]})())
    assert generate_latest(registry).decode().splitlines()[2:] == ['depth{model="a"} 0.0']
