"""The files of an artifact: what a folder may hold, and the manifest that stands for all of it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from models_registry.core.registry_errors import SourceError

MOST_FILES = 10_000
PICKLES = frozenset({".bin", ".pt", ".pth", ".ckpt", ".pkl", ".pickle", ".joblib", ".dill", ".cloudpickle"})
# Loaders of programs and of code read what they are given; the others never unpickle.
OF_PROGRAMS = frozenset({"torchscript", "export", "aotinductor", "entry_point", "folder"})


def files_below(root: Path) -> list[str]:
    """Return the relative paths of a folder's files, sorted, without hidden ones; SourceError.

    Only files and folders are accepted: a symbolic link could lead out of the folder.
    """
    names = sorted(_names(root, root))
    if not names:
        raise SourceError("The source holds no files.")
    if len(names) > MOST_FILES:
        raise SourceError(f"The source holds {len(names):,} files; an artifact has {MOST_FILES:,} at most.")
    return names


def _names(root: Path, folder: Path) -> Iterator[str]:
    for path in folder.iterdir():
        name = path.relative_to(root).as_posix()
        if path.name.startswith("."):
            continue
        if path.is_symlink():
            raise SourceError(f"The source holds the symbolic link {name!r}; copy the file itself there.")
        if path.is_dir():
            yield from _names(root, path)
        elif path.is_file():
            yield safe_name(name)
        else:
            raise SourceError(f"The source holds {name!r}, which is neither a file nor a folder.")


def safe_name(name: str) -> str:
    """Return the relative path of a file; SourceError where it leads out of its folder."""
    path = PurePosixPath(name)
    is_plain = name.isprintable() and "\\" not in name and path.as_posix() == name
    if not name or path.is_absolute() or ".." in path.parts or not is_plain:
        raise SourceError(f"The source holds the path {name[:200]!r}, which leads out or is not plain.")
    return name


def size_of(path: Path) -> int:
    """Return the bytes of a file, or of all files below a folder."""
    if path.is_file():
        return path.stat().st_size
    return sum(file.stat().st_size for file in path.rglob("*") if file.is_file())


def check_pickles(path: Path, loader: str) -> None:
    """Refuse files that only unpickling reads: SourceError, unless the loader runs programs anyway."""
    if loader in OF_PROGRAMS:
        return
    names = [path.name] if path.is_file() else files_below(path)
    pickles = [name for name in names if PurePosixPath(name).suffix.lower() in PICKLES]
    if pickles:
        raise SourceError(
            f"The artifact holds {', '.join(pickles[:5])}, and a pickle can run any code: the loader {loader}"
            " never reads one. Leave such files out, or name the file to take with #path."
        )


def manifest_of(text: str) -> dict[str, str]:
    """Return the SHA-256 of each file of a manifest, which is the output of `sha256sum`; SourceError."""
    return {safe_name(line[66:]): line[:64] for line in text.splitlines()}
