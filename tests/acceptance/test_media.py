"""Pictures and sounds that clients upload, labelled by pipelines of Hugging Face."""

from __future__ import annotations

import io
import json
from pathlib import Path

import soundfile
from PIL import Image

from inference_client import File, part
from inference_site.stack.harness import Stack
from tests.support.app import App, manage
from tests.support.format_specimens import png, sounds, vision
from tests.support.own_worker import log_of, own_worker
from tests.support.speech import speech

INDEX = 8
LABELS = {"cat", "dog", "owl"}
WORDS = b"These are words."


def register(stack: Stack, model: str, folder: Path, task: str, *more: str) -> None:
    words = ("--loader", "pipeline", "--artifact", str(folder), "--alias", "default", *more)
    manage(stack, "register_model", model, "1", *words, "--options", json.dumps({"task": task}))


def bitmap(width: int, height: int) -> bytes:
    Image.new("1", (width, height)).save(body := io.BytesIO(), "png")
    return body.getvalue()


def spoken(text: str) -> bytes:
    soundfile.write(body := io.BytesIO(), *speech(text), format="WAV")
    return body.getvalue()


def refusal(app: App, name: str, body: bytes, kind: str) -> str:
    """Return why the model cannot take this file, although the worker and the model are well."""
    model = {"image": "pictures", "audio": "sounds"}[name]
    ended = app.finished(app.submit(model, {name: app.client.upload(body, content_type=kind).ref})["id"])
    assert (ended["state"], ended["error"]["kind"], ended["attempts"]) == ("dead", "invalid", 1)
    detail: str = ended["error"]["detail"]
    return detail


def test_uploaded_pictures_and_sounds_are_labelled(stack: Stack, app: App, tmp_path: Path) -> None:
    register(stack, "pictures", vision(tmp_path / "vision"), "image-classification")
    register(stack, "sounds", sounds(tmp_path / "sounds"), "audio-classification", "--no-load")
    with own_worker(stack, "pictures", index=INDEX, also="sounds"):
        upload = app.client.upload(png(90), content_type="image/png")
        jobs = [app.client.submit("pictures", {"image": upload.ref}) for _ in range(3)]
        sent = app.client.submit("pictures", {"image": part("p")}, files={"p": File(png(90), "image/png")})
        outputs = [app.client.wait(job, timeout_s=60).output for job in (*jobs, sent)]
        assert {score["label"] for score in outputs[0]["scores"]} == LABELS
        assert outputs == [outputs[0]] * 4
        sound = app.client.upload(spoken("Good morning."), content_type="audio/wav")
        heard = app.client.wait(app.client.submit("sounds", {"audio": sound.ref}), timeout_s=60).output
        assert {score["label"] for score in heard["scores"]} == {"LABEL_0", "LABEL_1"}
        assert "no picture that is known here: PNG" in refusal(app, "image", WORDS, "image/png")
        assert "more than 80,000,000 pixels" in refusal(app, "image", bitmap(9_000, 9_000), "image/png")
        assert "cannot be read: WAV" in refusal(app, "audio", WORDS, "audio/wav")
        assert app.client.wait(app.client.submit("pictures", {"image": upload.ref}), timeout_s=60).output
    assert "Traceback" not in log_of(stack, INDEX).read_text()
