"""Pictures and sounds in the files of jobs: decoded, or refused where they are broken or too large.

Whoever may submit a job chooses such a file, and it is small beside what it may unpack to.
"""

from __future__ import annotations

from io import BytesIO
from math import gcd
from typing import Any, Final

import numpy as np

from models_registry.core.registry_errors import InvalidInputError

# Others that Pillow opens are rare, and some start programs of the host: EPS runs Ghostscript.
PICTURES: Final = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF")
MOST_PIXELS, MOST_SAMPLES = 80_000_000, 100_000_000
LEAST_RATE, MOST_RATE = 1_000, 400_000  # a resampling filter is as long as the rate


def picture(body: bytes) -> Any:
    """Return the picture in a file; InvalidInputError if it is none, is broken or has too many pixels."""
    from PIL import Image, UnidentifiedImageError

    bombs = Image.DecompressionBombError, Image.DecompressionBombWarning
    try:
        opened = Image.open(BytesIO(body), formats=PICTURES)
        if opened.width * opened.height > MOST_PIXELS:
            raise Image.DecompressionBombError  # noqa: TRY301  # Pillow's own limits are higher
        return opened.convert("RGB")
    except MemoryError:
        raise
    except bombs:
        raise InvalidInputError(f"image has more than {MOST_PIXELS:,} pixels.") from None
    except UnidentifiedImageError:
        raise InvalidInputError(f"image is no picture that is known here: {', '.join(PICTURES)}.") from None
    except Exception:  # noqa: BLE001  # each decoder raises errors of its own for a broken file
        raise InvalidInputError("image is broken: its data ends early or breaks its format.") from None


def sound(body: bytes, rate: int) -> Any:
    """Return a sound's samples, of one channel, at `rate` Hz (0: its own); InvalidInputError."""
    import soundfile

    try:
        with soundfile.SoundFile(BytesIO(body)) as file:
            own = file.samplerate
            _check_size(file.frames, file.channels, own, rate or own)
            samples = file.read(dtype="float32", always_2d=True).mean(axis=1)
    except (soundfile.SoundFileError, ValueError, TypeError):
        raise InvalidInputError("audio cannot be read: WAV, FLAC, Ogg and MP3 are known.") from None
    if not len(samples):
        raise InvalidInputError("audio holds no samples.")
    return samples if own == rate or not rate else _resampled(samples, own, rate)


def _check_size(frames: int, channels: int, own: int, rate: int) -> None:
    if not LEAST_RATE <= own <= MOST_RATE:
        raise InvalidInputError(f"audio has {own:,} samples a second, not {LEAST_RATE:,} to {MOST_RATE:,}.")
    if max(frames * channels, frames * rate // own) > MOST_SAMPLES:
        raise InvalidInputError(f"audio has more than {MOST_SAMPLES:,} samples.")


def _resampled(samples: Any, own: int, rate: int) -> Any:
    from scipy.signal import resample_poly

    common = gcd(own, rate)
    return resample_poly(samples, rate // common, own // common).astype(np.float32)
