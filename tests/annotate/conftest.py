"""A workspace of small clips, and a real browser that is driven through its DevTools protocol."""

from __future__ import annotations

import base64
import json
import os
import re
import shutil
import signal
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sonometry.core.cine import Cine
from sonometry.core.source import Device, Source
from sonometry.io.dicom_write import write_cine

CHROMIUM = shutil.which("chromium")
FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-component-update",
    "--disable-background-networking", "--disable-sync", "--hide-scrollbars", "--remote-debugging-port=0",
    "--disable-renderer-backgrounding", "--disable-background-timer-throttling",
)  # fmt: skip


def make_clip(seed: int, *, n_frames: int = 6, shape: tuple[int, int] = (120, 160)) -> Cine:
    """Speckle in which a dark disc breathes; 1 mm and 0.8 mm apart, 25 frames a second."""
    rng = np.random.default_rng(seed)
    noise = rng.gamma(2.0, 40.0, shape)
    rows, columns = np.mgrid[: shape[0], : shape[1]]
    frames = []
    for t in range(n_frames):
        radius = 25 + 6 * np.cos(2 * np.pi * t / n_frames)
        inside = np.hypot(rows - shape[0] / 2, columns - shape[1] / 2) < radius
        frames.append(np.clip(np.where(inside, noise * 0.2, noise), 0, 255).astype(np.uint8))
    return Cine(
        np.stack(frames),
        frame_times_s=np.arange(n_frames) / 25,
        spacing_m=(0.001, 0.0008),
        source=Source(format="simulated", device=Device("Boreal" if seed % 2 else "Dorado", "One")),
    )


def _write_clips(folder: Path, n: int, *, per_subject: int = 2, **options: Any) -> Path:
    for i in range(n):
        subject = i // per_subject
        path = folder / f"s{subject:02d}" / f"c{i:02d}.dcm"
        path.parent.mkdir(parents=True, exist_ok=True)
        key, study = f"SIM{subject:03d}", f"ST{subject:03d}"
        write_cine(make_clip(i, **options), path, subject_key=key, study_key=study, is_synthetic=True)
    return folder


@pytest.fixture(scope="session")
def write_clips() -> Callable[..., Path]:
    """Write n clips below a folder and return it."""
    return _write_clips


@pytest.fixture(scope="session")
def _ingested(tmp_path_factory) -> Path:
    from sonometry.workflows.ingest import ingest

    place = tmp_path_factory.mktemp("annotate")
    ingest(_write_clips(place / "clips", 6), workspace=place / "ws")
    return place


@pytest.fixture
def workspace(_ingested, tmp_path) -> Path:
    """Six clips of three subjects, two of each exam; a copy, so that tests do not see each other's marks."""
    import sqlite3

    shutil.copytree(_ingested, tmp_path / "place")
    with sqlite3.connect(tmp_path / "place/ws/catalogue.sqlite") as database:
        database.execute("UPDATE roots SET folder = ?", (str((tmp_path / "place/clips").resolve()),))
    database.close()
    return tmp_path / "place/ws"


@pytest.fixture
def quick_hashes(monkeypatch) -> None:
    """Argon2 as cheap as it gets: what is slow on purpose would be slow in every test."""
    from argon2 import PasswordHasher

    cheap = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
    monkeypatch.setattr("sonometry.annotate.people._hasher", lambda: cheap)


@pytest.fixture
def desk(workspace, quick_hashes) -> Iterator[Any]:
    from sonometry.annotate.desk import Desk

    with Desk(workspace) as opened:
        yield opened


class Server:
    """`sonometry annotate` as a program of its own, that can be killed and started again on the same port."""

    def __init__(self, workspace: Path, *flags: str) -> None:
        self.workspace, self.flags, self.port = workspace, flags, 0
        self.url = ""
        self.start()

    def start(self) -> None:
        words = [sys.executable, "-m", "sonometry", "annotate", "--workspace", str(self.workspace)]
        self.process = subprocess.Popen(
            [*words, "--port", str(self.port), *self.flags], stdout=subprocess.PIPE, text=True, start_new_session=True
        )
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        found = re.search(r"http://[^ ]*:(\d+)/\S*", line)
        assert found, line
        self.url, self.port = found[0], int(found[1])

    def kill(self) -> None:
        """As a power failure would."""
        os.kill(self.process.pid, signal.SIGKILL)
        self.process.wait()
        assert self.process.stdout is not None
        self.process.stdout.close()


@pytest.fixture
def served() -> Iterator[Callable[..., Server]]:
    servers: list[Server] = []

    def call(workspace: Path, *flags: str) -> Server:
        servers.append(Server(workspace, *flags))
        return servers[-1]

    yield call
    for server in servers:
        if server.process.poll() is None:
            server.kill()


class Socket:
    """As much of a web socket (RFC 6455) as the DevTools protocol needs."""

    def __init__(self, url: str) -> None:
        host, port, path = re.fullmatch(r"ws://([^:/]+):(\d+)(/.*)", url).groups()  # type: ignore[union-attr]
        self.socket = socket.create_connection((host, int(port)), timeout=60)
        key = base64.b64encode(os.urandom(16)).decode()
        head = f"GET {path} HTTP/1.1\r\nHost: {host}:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        self.socket.sendall(f"{head}Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n".encode())
        self.rest = b""
        while b"\r\n\r\n" not in self.rest:
            self.rest += self.socket.recv(4096)
        answer, _, self.rest = self.rest.partition(b"\r\n\r\n")
        assert b" 101 " in answer, answer

    def send(self, text: str) -> None:
        data, mask = text.encode(), os.urandom(4)
        size = bytes([0x80 | 126]) + struct.pack(">H", len(data)) if len(data) < 65536 else b""
        size = (
            bytes([0x80 | len(data)]) if len(data) < 126 else size or bytes([0x80 | 127]) + struct.pack(">Q", len(data))
        )
        self.socket.sendall(b"\x81" + size + mask + bytes(b ^ mask[i % 4] for i, b in enumerate(data)))

    def close(self) -> None:
        self.socket.close()

    def receive(self) -> str:
        parts = b""
        while True:
            first, second = self._read(2)
            length = second & 127
            if length > 125:
                length = struct.unpack(">H" if length == 126 else ">Q", self._read(2 if length == 126 else 8))[0]
            body = self._read(length)
            if first & 15 in (0, 1):
                parts += body
                if first & 128:
                    return parts.decode()

    def _read(self, n: int) -> bytes:
        while len(self.rest) < n:
            got = self.socket.recv(1 << 16)
            if not got:
                raise ConnectionError("the browser has gone")
            self.rest += got
        out, self.rest = self.rest[:n], self.rest[n:]
        return out


_KEYS = {
    "ArrowRight": 39, "ArrowLeft": 37, "ArrowDown": 40, "ArrowUp": 38, "Enter": 13, "Escape": 27, "Delete": 46,
    "Tab": 9, "Home": 36, "End": 35, " ": 32,
}  # fmt: skip


class Page:
    """One tab. Errors of scripts and everything the page complains of are kept in `complaints`."""

    def __init__(self, url: str, domains: tuple[str, ...] = ("Page", "Runtime", "Log", "Network")) -> None:
        self.socket, self.number, self.complaints = Socket(url), 0, []  # type: ignore[var-annotated]
        for domain in domains:
            self.call(f"{domain}.enable")

    def call(self, method: str, **params: Any) -> Any:
        self.number += 1
        self.socket.send(json.dumps({"id": self.number, "method": method, "params": params}))
        while True:
            message = json.loads(self.socket.receive())
            if message.get("method") == "Runtime.exceptionThrown":
                self.complaints.append(message["params"]["exceptionDetails"])
            if message.get("method") == "Log.entryAdded" and message["params"]["entry"]["level"] == "error":
                self.complaints.append(message["params"]["entry"]["text"])
            if message.get("id") == self.number:
                if "error" in message:
                    raise RuntimeError(message["error"])
                return message["result"]

    def open(self, url: str) -> None:
        self.call("Page.navigate", url=url)

    def run(self, script: str) -> Any:
        """Value of an expression in the page; promises are waited for."""
        result = self.call("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in result:
            raise RuntimeError(result["exceptionDetails"])
        return result["result"].get("value")

    def wait(self, script: str, timeout_s: float = 20) -> None:
        """Until an expression is true."""
        end = time.monotonic() + timeout_s
        while time.monotonic() < end:
            try:
                if self.run(f"Promise.resolve({script}).then(Boolean)"):
                    return
            except RuntimeError:
                pass
            time.sleep(0.02)
        raise AssertionError(f"never true: {script}; the page shows: {self.run('document.body.innerText')[:600]}")

    def press(self, key: str, *, modifiers: int = 0) -> None:
        text = key if len(key) == 1 else "\r" if key == "Enter" else ""
        code = _KEYS.get(key, ord(key.upper()) if len(key) == 1 and key.isalnum() else 0)
        shared = {"key": key, "windowsVirtualKeyCode": code, "modifiers": modifiers}
        self.call("Input.dispatchKeyEvent", type="keyDown", text="" if modifiers & 2 else text, **shared)
        self.call("Input.dispatchKeyEvent", type="keyUp", **shared)

    def type(self, text: str) -> None:
        self.call("Input.insertText", text=text)

    def mouse(self, kind: str, x: float, y: float, *, button: str = "left", modifiers: int = 0) -> None:
        names = {"down": "mousePressed", "up": "mouseReleased", "move": "mouseMoved"}
        self.call(
            "Input.dispatchMouseEvent", type=names[kind], x=x, y=y, button=button, clickCount=1, modifiers=modifiers,
            buttons=0 if kind == "up" else 2 if button == "right" else 1,
        )  # fmt: skip

    def click(self, x: float, y: float, **options: Any) -> None:
        self.mouse("move", x, y)
        self.mouse("down", x, y, **options)
        self.mouse("up", x, y, **options)

    def drag(self, start: tuple[float, float], end: tuple[float, float], **options: Any) -> None:
        self.mouse("move", *start)
        self.mouse("down", *start, **options)
        for k in range(1, 5):
            self.mouse("move", *(a + (b - a) * k / 4 for a, b in zip(start, end, strict=True)), **options)
        self.mouse("up", *end, **options)

    def screenshot(self, path: Path, *, width: int = 1440, height: int = 900, scale: float = 1.0) -> None:
        size = {"width": width, "height": height, "deviceScaleFactor": scale, "mobile": False}
        self.call("Emulation.setDeviceMetricsOverride", **size)
        time.sleep(0.4)
        data = self.call("Page.captureScreenshot", format="png")["data"]
        path.write_bytes(base64.b64decode(data))

    def screen_place(self, row: float, column: float) -> tuple[float, float]:
        """Where a point of the clip lies in the window."""
        script = (
            f"(() => {{ const p = sonometry.bench.player, b = p.element.getBoundingClientRect(), "
            f"[x, y] = p.toScreen([{row}, {column}]); return [x + b.left, y + b.top]; }})()"
        )
        x, y = self.run(script)
        return x, y


class Person:
    """A browser window with cookies and a storage of its own."""

    def __init__(self, browser: Browser) -> None:
        self.browser, self.pages = browser, []  # type: ignore[var-annotated]
        self.context = browser.root.call("Target.createBrowserContext")["browserContextId"]

    def page(self) -> Page:
        """A new tab, which shares cookies with the others of this person."""
        root = self.browser.root
        made = root.call(
            "Target.createTarget", url="about:blank", browserContextId=self.context, width=1440, height=900
        )
        self.pages.append(Page(f"ws://127.0.0.1:{self.browser.port}/devtools/page/{made['targetId']}"))
        return self.pages[-1]

    def close(self) -> None:
        for page in self.pages:
            page.socket.close()
        self.browser.root.call("Target.disposeBrowserContext", browserContextId=self.context)


class Browser:
    """Chromium without a window, with a profile of its own."""

    def __init__(self, folder: Path) -> None:
        words = [str(CHROMIUM), *FLAGS, f"--user-data-dir={folder}", "--window-size=1440,900", "about:blank"]
        quiet = subprocess.DEVNULL
        self.process = subprocess.Popen(words, stderr=quiet, stdout=quiet, start_new_session=True)
        marker, end = folder / "DevToolsActivePort", time.monotonic() + 60
        while not (marker.exists() and marker.read_text().count("\n")):
            if time.monotonic() > end or self.process.poll() is not None:
                raise RuntimeError("chromium did not start")
            time.sleep(0.05)
        port, path = marker.read_text().split("\n")[:2]
        self.port = int(port)
        self.root = Page(f"ws://127.0.0.1:{port}{path}", domains=())

    def close(self) -> None:
        self.root.socket.close()
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


@pytest.fixture(scope="session")
def _chromium(tmp_path_factory) -> Iterator[Browser]:
    if CHROMIUM is None:
        pytest.skip("chromium is not installed")
    browser = Browser(tmp_path_factory.mktemp("chromium") / "profile")
    yield browser
    browser.close()


@pytest.fixture
def browsers(_chromium) -> Iterator[Callable[[], Person]]:
    """A browser; each call is another person's, who knows nothing of the others."""
    people: list[Person] = []

    def call() -> Person:
        people.append(Person(_chromium))
        return people[-1]

    yield call
    for person in people:
        person.close()
