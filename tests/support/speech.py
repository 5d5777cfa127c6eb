"""Speech made on this machine by the eSpeak NG library, for models that hear."""

from __future__ import annotations

import ctypes
from functools import cache
from typing import Any

import numpy as np

SYNCHRONOUS, ENDS_AT_ZERO = 2, 1


@cache
def speech(text: str) -> tuple[Any, int]:
    """Return float32 samples of a spoken text, and their rate."""
    import espeakng_loader

    library = ctypes.CDLL(espeakng_loader.get_library_path())
    parts: list[Any] = []

    def keep(wave: Any, count: int, _: Any) -> int:
        if wave and count > 0:
            parts.append(np.ctypeslib.as_array(wave, (count,)).copy())
        return 0

    rate = library.espeak_Initialize(SYNCHRONOUS, 0, espeakng_loader.get_data_path().encode(), 0)
    kind = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.c_void_p)
    callback = kind(keep)  # a name of its own, so that it lives as long as the library calls it
    library.espeak_SetSynthCallback(callback)
    body = text.encode() + b"\0"
    library.espeak_Synth(body, ctypes.c_size_t(len(body)), 0, 0, 0, ENDS_AT_ZERO, None, None)
    library.espeak_Synchronize()
    return (np.concatenate(parts) / 32_768).astype(np.float32), int(rate)
