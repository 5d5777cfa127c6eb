from datetime import UTC, datetime

from models_registry.shared.admin_render import compact, table


def test_cells_spell_no_value_as_python_does() -> None:
    at = datetime(2026, 11, 29, tzinfo=UTC)
    shown = table(("a",), [(None, True, False, {"a": None}, {}, [1], at, "<b>", 0)])
    cells = shown.split("<tbody>")[1]
    assert cells.startswith(
        "<tr><td>-</td><td>yes</td><td>no</td><td>{&quot;a&quot;: null}</td><td>-</td><td>[1]</td>"
        '<td><time datetime="2026-11-29T00:00:00.000Z">2026-11-29 00:00:00.000 UTC</time></td>'
        "<td>&lt;b&gt;</td><td>0</td></tr>"
    )


def test_json_on_one_line_is_cut_and_can_be_encoded() -> None:
    assert compact({"a": "x" * 200}) == '{"a": "' + "x" * 113 + "…"
    assert compact({}) == ""
    compact({"a": "\ud800"}).encode()
