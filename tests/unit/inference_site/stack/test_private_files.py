from base64 import b64decode
from pathlib import Path

import pytest

from inference_site.stack.private_files import payload_key, secret
from inference_site.stack.stack_errors import AlreadyRunningError
from inference_site.stack.supervisor_lock import held, holder, supervisor_lock


def test_a_secret_is_drawn_once_and_is_private(tmp_path: Path) -> None:
    path = tmp_path / "password"
    first = secret(path)
    assert len(first) >= 32
    assert secret(path) == first
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_payload_key_is_drawn_once_is_private_and_has_32_bytes(tmp_path: Path) -> None:
    path = tmp_path / "key"
    first = payload_key(path)
    assert len(b64decode(first, validate=True)) == 32
    assert payload_key(path) == first
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_run_directory_has_one_supervisor(tmp_path: Path) -> None:
    assert not held(tmp_path)
    with supervisor_lock(tmp_path):
        assert held(tmp_path)
        with (
            pytest.raises(AlreadyRunningError, match=rf"process {holder(tmp_path)}\)"),
            supervisor_lock(tmp_path),
        ):
            pass
    assert not held(tmp_path)
    assert holder(tmp_path) is None
