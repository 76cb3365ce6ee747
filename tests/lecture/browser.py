# SPDX-License-Identifier: BSD-2-Clause
"""A headless Chromium, driven over the pipe of its DevTools protocol: no port, no other program.

Chromium is ended with its process group, and its profile is thrown away.
"""

from __future__ import annotations

import base64
import json
import os
import shutil
import signal
import subprocess
import tempfile
from functools import partial
from pathlib import Path
from typing import Any

from grade import qemu

NAMES = ("chromium", "chromium-browser", "google-chrome")
OPTIONS = """
--headless --no-sandbox --disable-gpu --disable-background-networking --remote-debugging-pipe
--no-first-run --disable-extensions --disable-sync --disable-component-update --mute-audio
--disable-dev-shm-usage --hide-scrollbars
""".split()
KEY_CODES = {"ArrowRight": 39, "ArrowLeft": 37, "Home": 36, "End": 35, "Enter": 13, "Backspace": 8,
             "Escape": 27, "PageDown": 34, "PageUp": 33}  # fmt: skip


def path() -> str:
    """Where Chromium is; "" if it is not installed."""
    return next((found for name in NAMES if (found := shutil.which(name))), "")


class BrowserError(Exception):
    """The browser did not do what it was told."""


def become_child(parent: int, pipes: tuple[int, int]) -> None:
    """Descriptors 3 and 4 are the browser's ends, and it dies with its driver."""
    qemu.die_with_parent(parent)
    high = [os.dup(fd) for fd in pipes]
    os.dup2(high[0], 3)
    os.dup2(high[1], 4)


class Browser:
    """A page in a browser. `events` keeps what it reported: network requests, errors."""

    def __init__(self) -> None:
        self.events: list[dict[str, Any]] = []
        self._number = 0
        self._data = b""
        self._session = ""

    def __enter__(self) -> "Browser":
        self._profile = tempfile.mkdtemp(prefix="strata-browser-")
        theirs_in, self._out = os.pipe()
        self._in, theirs_out = os.pipe()
        for fd in (theirs_in, theirs_out):
            os.set_inheritable(fd, True)
        args = [path(), *OPTIONS, f"--user-data-dir={self._profile}", "about:blank"]
        self._process = subprocess.Popen(
            args, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            close_fds=False, start_new_session=True,
            preexec_fn=partial(become_child, os.getpid(), (theirs_in, theirs_out)),
        )  # fmt: skip
        os.close(theirs_in)
        os.close(theirs_out)
        targets = self.call("Target.getTargets")["targetInfos"]
        page = next(target["targetId"] for target in targets if target["type"] == "page")
        found = self.call("Target.attachToTarget", targetId=page, flatten=True)
        self._session = found["sessionId"]
        for domain in ("Page", "Runtime", "Network", "Log"):
            self.call(f"{domain}.enable")
        return self

    def __exit__(self, *_: object) -> None:
        try:
            os.killpg(self._process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self._process.wait()
        os.close(self._in)
        os.close(self._out)
        shutil.rmtree(self._profile, ignore_errors=True)

    # ---- the protocol ----

    def call(self, method: str, **params: Any) -> dict[str, Any]:
        self._number += 1
        message: dict[str, Any] = {"id": self._number, "method": method, "params": params}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._out, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._message()
            if answer.get("id") == self._number:
                if "error" in answer:
                    raise BrowserError(f"{method}: {answer['error']}")
                return dict(answer["result"])
            self.events.append(answer)

    def _message(self) -> dict[str, Any]:
        while b"\0" not in self._data:
            data = os.read(self._in, 1 << 16)
            if not data:
                raise BrowserError("the browser ended")
            self._data += data
        text, _, self._data = self._data.partition(b"\0")
        return dict(json.loads(text))

    def _wait_for(self, method: str, since: int) -> None:
        """Waits for an event; those before the number `since' are others'."""
        while not any(event.get("method") == method for event in self.events[since:]):
            self.events.append(self._message())

    # ---- a page ----

    def open(self, url: str, width: int, height: int) -> None:
        self.resize(width, height)
        since = len(self.events)
        if "loaderId" in self.call("Page.navigate", url=url):  # not the same page's other step
            self._wait_for("Page.loadEventFired", since)

    def resize(self, width: int, height: int) -> None:
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height,
                  deviceScaleFactor=1, mobile=False)  # fmt: skip

    def value(self, script: str) -> Any:
        found = self.call("Runtime.evaluate", expression=script, returnByValue=True)
        if "exceptionDetails" in found:
            raise BrowserError(f"{script}: {found['exceptionDetails']}")
        return found["result"].get("value")

    def key(self, name: str) -> None:
        """One key, by its DOM name or letter."""
        press: dict[str, Any] = {"key": name}
        if name in KEY_CODES:
            press["windowsVirtualKeyCode"] = KEY_CODES[name]
        if name == "Enter":
            press["text"] = "\r"
        elif len(name) == 1:
            press["text"] = name
        self.call("Input.dispatchKeyEvent", type="keyDown", **press)
        self.call("Input.dispatchKeyEvent", type="keyUp", key=name)

    def keys(self, *names: str) -> None:
        for name in names:
            self.key(name)

    def click(self, selector: str) -> None:
        box = self.value(
            f"(b => [b.x + b.width / 2, b.y + b.height / 2])"
            f"(document.querySelector({json.dumps(selector)}).getBoundingClientRect())"
        )
        for kind in ("mousePressed", "mouseReleased"):
            self.call("Input.dispatchMouseEvent", type=kind, x=box[0], y=box[1], button="left",
                      clickCount=1)  # fmt: skip

    def screenshot(self, file: Path) -> None:
        data = self.call("Page.captureScreenshot", format="png")["data"]
        file.write_bytes(base64.b64decode(data))

    def pdf(self) -> bytes:
        return base64.b64decode(self.call("Page.printToPDF", printBackground=True)["data"])
