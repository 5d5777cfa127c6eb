"""Imports the code of a folder under a name of its own, so that two folders with equal names do not clash.

`import helpers` in a folder's code, at its top or later inside a function, means the `helpers.py` beside it,
whatever another folder has loaded under that name. The modules are in `sys.modules` under the folder's name,
which type hints and dataclasses need. Compiled files are neither read nor written: the
source alone was hashed.
"""

from __future__ import annotations

import builtins
import sys
from importlib import import_module
from importlib.machinery import (
    EXTENSION_SUFFIXES,
    SOURCE_SUFFIXES,
    ExtensionFileLoader,
    FileFinder,
    ModuleSpec,
    SourceFileLoader,
)
from importlib.util import find_spec
from itertools import count
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any

PREFIX = "_model_folder_"
_numbers = count(1)


def import_folder(folder: Path, module: str) -> ModuleType:
    """Import `module` of a folder, each time anew; raise what its code raises."""
    if not any(isinstance(finder, _Finder) for finder in sys.meta_path):
        sys.meta_path.insert(0, _Finder())
    home = ModuleType(f"{PREFIX}{next(_numbers)}")
    home.__path__ = [str(folder)]
    sys.modules[home.__name__] = home
    try:
        return import_module(f"{home.__name__}.{module}")
    except BaseException:
        forget(home.__name__)
        raise


def forget(home: str) -> None:
    """Drop the modules of a folder; objects that are in use keep theirs."""
    for name in [name for name in sys.modules if name == home or name.startswith(f"{home}.")]:
        sys.modules.pop(name, None)


class _Finder:
    """Finds the modules of folders, and nothing else."""

    def find_spec(self, fullname: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        del target
        if not fullname.startswith(PREFIX) or path is None:
            return None
        kinds = (ExtensionFileLoader, EXTENSION_SUFFIXES), (_Source, SOURCE_SUFFIXES)
        specs = (FileFinder(place, *kinds).find_spec(fullname) for place in path)
        return next(filter(None, specs), None)


class _Source(SourceFileLoader):
    """Compiles a source file each time, and gives its code an import of its own."""

    def get_code(self, fullname: str) -> CodeType:
        path = self.get_filename(fullname)
        return self.source_to_code(self.get_data(path), path)

    def exec_module(self, module: ModuleType) -> None:
        home = module.__name__.partition(".")[0]
        module.__dict__["__builtins__"] = {**vars(builtins), "__import__": _Import(home)}
        super().exec_module(module)


class _Import:
    """`__import__` of the code in one folder: names of the folder come first, as beside a script."""

    def __init__(self, home: str) -> None:
        self.home = home

    def __call__(self, name: str, *words: Any, **named: Any) -> Any:
        known = dict(zip(("globals", "locals", "fromlist", "level"), words, strict=False)) | named
        top = name.partition(".")[0]
        if known.get("level") or not self._has(top):
            return builtins.__import__(name, **known)
        inner = builtins.__import__(f"{self.home}.{name}", **known)
        return inner if known.get("fromlist") else sys.modules[f"{self.home}.{top}"]

    def _has(self, top: str) -> bool:
        if f"{self.home}.{top}" in sys.modules:
            return True
        home = sys.modules.get(self.home)
        places = [Path(place) for place in (home.__path__ if home else ())]
        if any(_holds_module(place, top) for place in places):
            return True
        # As beside a script, a library comes before a folder without `__init__.py`: `onnx/` may hold weights.
        return any((place / top).is_dir() for place in places) and find_spec(top) is None


def _holds_module(place: Path, name: str) -> bool:
    files = (f"{name}{suffix}" for suffix in (*SOURCE_SUFFIXES, *EXTENSION_SUFFIXES))
    return (place / name / "__init__.py").is_file() or any((place / file).is_file() for file in files)
