"""Pictures and sounds: what is broken, unknown or too large is the input's fault, in words for users."""

from __future__ import annotations

import random
import struct
import warnings
from contextlib import suppress
from io import BytesIO
from typing import Any

import numpy as np
import pytest
import soundfile
from PIL import Image

from models_registry.core.registry_errors import InvalidInputError
from models_registry.loaders.formats import media_files
from models_registry.loaders.formats.media_files import PICTURES, picture, sound
from tests.support.format_specimens import png

RATE = 16_000


def drawn(kind: str, size: tuple[int, int] = (20, 30), mode: str = "RGB", **options: Any) -> bytes:
    Image.new(mode, size, 1).save(body := BytesIO(), kind, **options)
    return body.getvalue()


def wav(frames: int, rate: int, channels: int = 1) -> bytes:
    soundfile.write(body := BytesIO(), np.zeros((frames, channels)), rate, format="WAV")
    return body.getvalue()


@pytest.mark.parametrize("kind", PICTURES)
def test_a_picture_of_each_kind_is_read(kind: str) -> None:
    assert (picture(drawn(kind)).size, picture(drawn(kind)).mode) == ((20, 30), "RGB")


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"", "no picture that is known here: PNG, JPEG"),
        (b"%PDF-1.7", "no picture"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\n", "no picture"),
        (png(9)[:90], "is broken"),
        (drawn("PNG", (9_000, 9_000), "1"), "more than 80,000,000 pixels"),
        (drawn("PNG", (9_700, 9_700), "1"), "more than 80,000,000 pixels"),  # where Pillow warns
        (drawn("PNG", (14_000, 14_000), "1"), "more than 80,000,000 pixels"),  # where Pillow refuses
    ],
    ids=["empty", "PDF", "PostScript", "cut off", "large", "larger", "a bomb"],
)
def test_what_is_no_picture_or_too_large_is_refused(body: bytes, words: str) -> None:
    with pytest.raises(InvalidInputError, match=words):
        picture(body)


@pytest.mark.parametrize("kind", PICTURES)
def test_a_picture_with_changed_bytes_is_read_or_refused(kind: str) -> None:
    chance, whole = random.Random(kind), drawn(kind)
    for _ in range(150):
        body = bytearray(whole)
        for _ in range(chance.randint(1, 6)):
            body[chance.randrange(len(body))] = chance.randrange(256)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with suppress(InvalidInputError):
                picture(bytes(body[: chance.randint(len(body) // 2, len(body))]))


def test_memory_that_is_short_is_not_the_picture_s_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    def short(*_: Any) -> None:
        raise MemoryError

    monkeypatch.setattr(Image.Image, "convert", short)
    with pytest.raises(MemoryError):
        picture(png(9))


def test_a_sound_is_resampled_and_mixed_to_one_channel() -> None:
    assert sound(wav(800, 8_000, channels=2), RATE).shape == (1_600,)
    assert sound(wav(800, 8_000), 0).shape == (800,)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"RIFF", "cannot be read: WAV"),
        (wav(0, RATE), "no samples"),
        (wav(900, 2_000_000_011), "has 2,000,000,011 samples a second"),  # a filter of 40 G numbers
        (wav(900, 1), "has 1 samples a second"),
        (wav(900, 1_000), "more than 10,000 samples"),  # once resampled
        (wav(6_000, RATE, channels=2), "more than 10,000 samples"),
    ],
    ids=["cut off", "empty", "a rate too high", "a rate too low", "long once resampled", "long"],
)
def test_a_sound_that_would_take_too_much_memory_is_refused(
    body: bytes, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(media_files, "MOST_SAMPLES", 10_000)
    with pytest.raises(InvalidInputError, match=words):
        sound(body, RATE)


def test_a_header_that_names_more_samples_than_there_are_is_no_trap() -> None:
    body = bytearray(wav(100, RATE))
    at = body.index(b"data") + 4
    body[at : at + 4] = struct.pack("<I", 2**32 - 1)
    assert sound(bytes(body), RATE).shape == (100,)
