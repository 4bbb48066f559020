"""LiteRT.js in headless Chromium, with docs/browser/main.js, as a function to call from Python.

    python -m tests.browser.chromium MODEL.tflite "Where is the station?" PICTURE.png

draws the page of docs/browser as it translates a text. Needs Debian's ``chromium`` or another Chromium, and node with
npm; the packages in package-lock.json are installed by npm into a folder of the caller's choice.
"""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np

HERE = Path(__file__).parent
PAGE = HERE.parent.parent / "docs" / "browser"

_BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
_INSTALL_S = 300

Arrays = Mapping[str, np.ndarray]


class UnavailableError(Exception):
    """This machine lacks something; the message says what."""


def missing() -> str:
    """What this machine lacks to run a browser; "" if there is all."""
    lacks = [program for program in ("node", "npm") if shutil.which(program) is None]
    return ", ".join(lacks + ([] if _browser() else ["chromium"]))


def install(folder: Path) -> None:
    """Puts packages and the bundled page into a folder.

    Raises:
        UnavailableError: npm could not get the packages.
    """
    if lacks := missing():
        raise UnavailableError(f"not installed: {lacks}")
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("package.json", "package-lock.json", ".npmrc", "drive.mjs"):
        shutil.copy(HERE / name, folder)
    done = folder / "installed"
    lock = (HERE / "package-lock.json").read_text(encoding="utf-8")
    if not done.exists() or done.read_text(encoding="utf-8") != lock:
        _run(["npm", "ci", "--ignore-scripts", "--prefer-offline"], folder)
        done.write_text(lock, encoding="utf-8")
    site = folder / "site"
    site.mkdir(exist_ok=True)
    shutil.copy(PAGE / "index.html", site)
    if not (site / "wasm").exists():
        (site / "wasm").symlink_to(folder / "node_modules" / "@litertjs" / "core" / "wasm")
    bundle = ["--bundle", "--format=esm", "--log-level=warning", f"--outfile={site / 'bundle.js'}"]
    _run(["node", "node_modules/esbuild/bin/esbuild", str(PAGE / "main.js"), *bundle], folder)


class Chromium:
    """A browser, until ``close`` or the end of a ``with`` block.

    Args:
        folder: where ``install`` puts the packages; it may have been there before.

    Raises:
        UnavailableError: this machine cannot run it.
    """

    def __init__(self, folder: Path) -> None:
        install(folder)
        browser = _browser()
        assert browser is not None
        self._messages = folder / "messages.txt"
        with open(self._messages, "wb") as messages:
            self._process = subprocess.Popen(
                ["node", "drive.mjs", str(folder / "site"), browser],
                cwd=folder,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=messages,
                encoding="utf-8",
            )
        if self._line() != "ready":
            raise UnavailableError(f"the browser does not start: {self._closed()}")

    def __enter__(self) -> Chromium:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Ends the browser."""
        self._closed()

    def run(
        self, file: Path, signature: str, calls: Sequence[Arrays]
    ) -> tuple[list[dict[str, np.ndarray]], list[float]]:
        """Calls a signature of a ``.tflite`` file, once for each of ``calls``.

        Args:
            calls: inputs by name, uint8, int32 or float32, as many values as the buffers hold.

        Returns:
            The outputs of each call by name, and its milliseconds.

        Raises:
            RuntimeError: LiteRT.js refuses the file or a call.
        """
        encoded = [{name: _encoded(array) for name, array in call.items()} for call in calls]
        answer = self._ask("run", file=str(file.resolve()), signature=signature, calls=encoded)
        outputs = [{name: _decoded(array) for name, array in call.items()} for call in answer["outputs"]]
        return outputs, answer["ms"]

    def metadata(self, file: Path) -> dict[str, Any] | None:
        """What ``metadata`` of docs/browser/main.js reads in a file."""
        return self._ask("metadata", file=str(file.resolve()))["metadata"]

    def screenshot(self, file: Path, text: str, picture: Path) -> tuple[str, str]:
        """Draws the page of docs/browser when it has translated a text; returns the translation and the time shown."""
        answer = self._ask("screenshot", file=str(file.resolve()), text=text, picture=str(picture.resolve()))
        return answer["translation"], answer["time"]

    def _ask(self, kind: str, **request: Any) -> dict[str, Any]:
        assert self._process.stdin is not None
        print(json.dumps({kind: request}), file=self._process.stdin, flush=True)
        line = self._line()
        if not line:
            raise RuntimeError(f"the browser has ended: {self._closed()}")
        answer = json.loads(line)
        if "error" in answer:
            raise RuntimeError(answer["error"])
        return answer

    def _line(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline().rstrip("\n")

    def _closed(self) -> str:
        """Ends the process; returns the end of what it complained of."""
        if self._process.returncode is None:
            self._process.communicate()  # closes its input, at which it ends
        return self._messages.read_text(encoding="utf-8", errors="replace")[-2000:]


def _browser() -> str | None:
    return next(filter(None, map(shutil.which, _BROWSERS)), None)


def _run(command: Sequence[str], folder: Path) -> None:
    environment = {**os.environ, "NODE_PATH": str(folder / "node_modules")}  # where esbuild finds what main.js imports
    try:
        done = subprocess.run(
            command, cwd=folder, env=environment, capture_output=True, encoding="utf-8", timeout=_INSTALL_S
        )
    except subprocess.TimeoutExpired as error:
        raise UnavailableError(f"{command[0]} did not end within {_INSTALL_S} s") from error
    if done.returncode:
        raise UnavailableError(f"{' '.join(command[:2])} failed:\n{done.stderr[-2000:]}")


def _encoded(array: np.ndarray) -> dict[str, Any]:
    contiguous = np.ascontiguousarray(array)
    data = base64.b64encode(contiguous.tobytes()).decode()
    return {"dtype": contiguous.dtype.name, "shape": list(contiguous.shape), "data": data}


def _decoded(array: Mapping[str, Any]) -> np.ndarray:
    return np.frombuffer(base64.b64decode(array["data"]), array["dtype"]).reshape(array["shape"])


def main(arguments: Sequence[str]) -> None:
    if len(arguments) != 3:
        sys.exit("usage: python -m tests.browser.chromium MODEL.tflite TEXT PICTURE.png")
    model, text, picture = arguments
    with tempfile.TemporaryDirectory() as folder, Chromium(Path(folder)) as browser:
        translation, time = browser.screenshot(Path(model), text, Path(picture))
    print(f"{translation}\n{time}")


if __name__ == "__main__":
    main(sys.argv[1:])
