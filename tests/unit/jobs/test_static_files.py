import re
from hashlib import sha256
from pathlib import Path

STATIC = Path(__file__).parents[3] / "jobs/static/jobs"
OTHERS = STATIC / "uplot"
ANOTHER_ORIGIN = re.compile(r"(?:https?:)?//[\w-]+\.\w+")


def digests() -> dict[str, str]:
    lines = (OTHERS / "SHA256SUMS").read_text().splitlines()
    return {name: digest for digest, name in (line.split() for line in lines)}


def test_what_others_wrote_is_what_was_taken() -> None:
    assert {name: sha256((OTHERS / name).read_bytes()).hexdigest() for name in digests()} == digests()
    assert {path.name for path in OTHERS.iterdir()} == {*digests(), "README", "SHA256SUMS"}


def test_their_licence_lies_beside_it() -> None:
    assert "The MIT License" in (OTHERS / "LICENSE").read_text()


def test_ours_name_no_other_origin() -> None:
    ours = [path for path in STATIC.rglob("*") if path.is_file() and OTHERS not in path.parents]
    assert len(ours) >= 5
    assert {
        path.name: ANOTHER_ORIGIN.findall(path.read_text())
        for path in ours
        if ANOTHER_ORIGIN.search(path.read_text())
    } == {}


def test_ours_make_no_page_of_text() -> None:
    for path in STATIC.glob("operations/*.js"):
        assert not re.search(
            r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(", path.read_text()
        ), path


def test_what_is_found_by_a_model_s_name_is_never_what_all_objects_have() -> None:
    for path in STATIC.glob("operations/*.js"):
        assert not re.search(r"\.(?:points|stages)\[", path.read_text()), path
