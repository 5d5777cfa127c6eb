"""Speech made on this machine by the eSpeak NG library, for models that hear."""

from __future__ import annotations

import ctypes
from functools import cache
from typing import Any

import numpy as np

SYNCHRONOUS, ENDS_AT_ZERO = 2, 1
SAMPLES_TAKEN = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.c_void_p)


@cache
def library() -> tuple[Any, int]:
    """Return the library and its rate in Hz; begun twice, it would cut each text that follows short."""
    import espeakng_loader

    own = ctypes.CDLL(espeakng_loader.get_library_path())
    return own, int(own.espeak_Initialize(SYNCHRONOUS, 0, espeakng_loader.get_data_path().encode(), 0))


@cache
def speech(text: str) -> tuple[Any, int]:
    """Return float32 samples of a spoken text, and their rate in Hz."""
    own, rate = library()
    parts: list[Any] = []

    def keep(wave: Any, count: int, _: Any) -> int:
        if wave and count > 0:
            parts.append(np.ctypeslib.as_array(wave, (count,)).copy())
        return 0

    callback = SAMPLES_TAKEN(keep)  # a name of its own, so that it lives as long as the library calls it
    own.espeak_SetSynthCallback(callback)
    body = text.encode() + b"\0"
    own.espeak_Synth(body, ctypes.c_size_t(len(body)), 0, 0, 0, ENDS_AT_ZERO, None, None)
    own.espeak_Synchronize()
    return (np.concatenate(parts) / 32_768).astype(np.float32), rate
