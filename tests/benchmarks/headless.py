"""One page in headless Chromium, driven over its pipe: no further library is needed.

Chromium is looked for on the PATH; what needs it is a benchmark, because not every machine has it.
"""

from __future__ import annotations

import base64
import contextlib
import json
import os
import select
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from inference_site.stack.leash import death_words

NAMES = ("chromium", "chromium-browser", "google-chrome")
WORDS = (
    "--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run", "--hide-scrollbars",
    "--disable-background-networking", "--disable-component-update", "--remote-debugging-pipe",
)  # fmt: skip
COMMANDS, EVENTS = 3, 4  # the numbers of Chromium's own ends of the two pipes
LIMIT_S = 60.0
Answer = dict[str, Any]


def chromium() -> str | None:
    """Return the path of Chromium; None where there is none."""
    return next((path for name in NAMES if (path := shutil.which(name))), None)


class HeadlessPage:
    """A page; `errors` has what its console complained about."""

    def __init__(self, commands: int, events: int) -> None:
        """Use the ends of the two pipes to Chromium."""
        self.errors: list[str] = []
        self._commands, self._events = commands, events
        self._rest, self._number, self._session = b"", 0, ""
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **params: Any) -> Answer:
        """Send a command of the DevTools protocol and return its result."""
        self._number += 1
        message = {"id": self._number, "method": method, "params": params}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._commands, json.dumps(message).encode() + b"\0")
        until = time.monotonic() + LIMIT_S
        while time.monotonic() < until:
            answer = self._next(until)
            if answer and answer.get("id") == self._number:
                assert "error" not in answer, (method, answer["error"])
                result: Answer = answer["result"]
                return result
        raise TimeoutError(method)

    def look(self, *, width: int, height: int, dark: bool = False) -> None:
        """Be a window of that size, light or dark."""
        mobile = width < 500
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=mobile,
        )
        features = [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]
        self.call("Emulation.setEmulatedMedia", features=features)

    def open(self, url: str, **cookies: str) -> None:
        """Go to a page with these cookies."""
        for name, value in cookies.items():
            self.call("Network.setCookie", name=name, value=value, url=url)
        self.call("Page.navigate", url=url)

    def watch(self, seconds: float) -> None:
        """Let the page live for so long."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            self._next(until)

    def value(self, expression: str) -> Any:
        """Return what an expression is in the page."""
        answer = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def shoot(self, path: Path) -> None:
        """Write a picture of the whole page."""
        size = self.call("Page.getLayoutMetrics")["cssContentSize"]
        clip = {"x": 0, "y": 0, "width": size["width"], "height": min(size["height"], 6_000), "scale": 1}
        picture = self.call("Page.captureScreenshot", format="png", captureBeyondViewport=True, clip=clip)
        path.write_bytes(base64.b64decode(picture["data"]))

    def _next(self, until: float) -> Answer | None:
        """Return the next message, and note what is an error; None where none comes until then."""
        while b"\0" not in self._rest:
            ready, _, _ = select.select([self._events], [], [], max(0.0, until - time.monotonic()))
            if not ready:
                return None
            self._rest += os.read(self._events, 1 << 20)
        text, _, self._rest = self._rest.partition(b"\0")
        message: Answer = json.loads(text)
        self._note(message)
        return message

    def _note(self, message: Answer) -> None:
        params = message.get("params", {})
        is_error = params.get("type") == "error" or params.get("entry", {}).get("level") == "error"
        if message.get("method") == "Runtime.exceptionThrown" or is_error:
            self.errors.append(json.dumps(params)[:500])


@contextlib.contextmanager
def headless(program: str) -> Iterator[HeadlessPage]:
    """Run Chromium with one page."""
    its_commands, commands = os.pipe()
    events, its_events = os.pipe()
    with TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        # A shell puts the pipes at the numbers that Chromium expects.
        script = f'exec "$0" "$@" {COMMANDS}<&{its_commands} {EVENTS}>&{its_events}'
        own = [f"--user-data-dir={folder}"]
        process = subprocess.Popen(
            [*death_words(signal.SIGKILL), "bash", "-c", script, program, *WORDS, *own],
            pass_fds=(its_commands, its_events), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        os.close(its_commands)
        os.close(its_events)
        try:
            yield HeadlessPage(commands, events)
        finally:
            os.close(commands)
            process.terminate()
            process.wait(20)
            os.close(events)
