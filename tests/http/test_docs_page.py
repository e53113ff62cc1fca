"""/docs in a browser: open it, try txt2img out, see the picture's reply. Needs Chromium."""

from __future__ import annotations

import itertools
import json
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from websocket import WebSocket, create_connection

BROWSER = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
SECONDS = 120.0
BLOCK = "#operations-generate-text2imgapi_sdapi_v1_txt2img_post"
pytestmark = pytest.mark.skipif(BROWSER is None, reason="no Chromium to open the page with")


class Page:
    """A tab, driven over the DevTools protocol."""

    def __init__(self, channel: WebSocket) -> None:
        self.channel = channel
        self.numbers = itertools.count(1)
        self.errors: list[str] = []
        self.call("Runtime.enable")
        self.call("Page.enable")

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        number = next(self.numbers)
        self.channel.send(json.dumps({"id": number, "method": method, "params": parameters}))
        while True:
            message = json.loads(self.channel.recv())
            if message.get("method") == "Runtime.exceptionThrown":
                self.errors.append(json.dumps(message["params"]))
            if message.get("id") == number:
                assert "error" not in message, message
                return dict(message["result"])

    def value(self, expression: str) -> Any:
        """The value of a JavaScript expression; null where it throws."""
        found = self.call("Runtime.evaluate", expression=f"(() => {expression})()", returnByValue=True)
        return None if "exceptionDetails" in found else found["result"].get("value")

    def wait(self, expression: str) -> Any:
        """The expression's value, once it is true."""
        end = time.monotonic() + SECONDS
        while time.monotonic() < end:
            found = self.value(expression)
            if found:
                return found
            time.sleep(0.1)
        pytest.fail(f"{expression} stays {found!r}; the page shows {self.value('document.body.innerText')}")

    def click(self, selector: str) -> None:
        self.wait(f"document.querySelector({json.dumps(selector)}) !== null")
        self.value(f"document.querySelector({json.dumps(selector)}).click()")


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    profile = tmp_path_factory.mktemp("chromium")
    flags = ["--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-dev-shm-usage"]
    flags += ["--remote-debugging-port=0", "--remote-allow-origins=*", f"--user-data-dir={profile}"]
    process = subprocess.Popen([str(BROWSER), *flags, "about:blank"], stderr=subprocess.DEVNULL)
    try:
        port = debugging_port(profile / "DevToolsActivePort")
        tabs = httpx.get(f"http://127.0.0.1:{port}/json", timeout=30).json()
        address = next(tab["webSocketDebuggerUrl"] for tab in tabs if tab["type"] == "page")
        channel = create_connection(address, timeout=SECONDS)
        yield Page(channel)
        channel.close()
    finally:
        process.terminate()
        process.wait()


def debugging_port(file: Path) -> int:
    """Chromium writes the port it chose into its profile."""
    end = time.monotonic() + SECONDS
    while time.monotonic() < end:
        if file.exists() and file.read_text().strip():
            return int(file.read_text().split()[0])
        time.sleep(0.1)
    pytest.fail("Chromium does not say where it listens")


def edit(page: Page, field: str, changes: dict[str, Any]) -> dict[str, Any]:
    """Change keys of the JSON in a text area as a user's typing would; gives the text that was there."""
    shown = json.loads(page.wait(f"document.querySelector('{field}').value"))
    text = json.dumps(json.dumps(shown | changes))
    page.value(
        f"""{{
          const area = document.querySelector('{field}');
          Object.getOwnPropertyDescriptor(HTMLTextAreaElement.prototype, 'value').set.call(area, {text});
          area.dispatchEvent(new Event('input', {{bubbles: true}}));
          area.dispatchEvent(new Event('change', {{bubbles: true}}));
        }}"""
    )
    page.wait(f"document.querySelector('{field}').value === {text}")
    return dict(shown)


def test_txt2img_can_be_tried_out(server: Any, page: Page) -> None:
    page.call("Page.navigate", url=f"{server.url}/docs")
    page.click(f"{BLOCK} .opblock-summary-control")
    area = f"{BLOCK} textarea.body-param__text"
    example = edit(page, area, {"width": 64, "height": 64, "steps": 2})
    assert (example["width"], example["height"], example["steps"]) == (512, 512, 20)
    page.click(f"{BLOCK} button.execute")
    status = page.wait(
        f"document.querySelector('{BLOCK} .live-responses-table tbody .response-col_status').innerText"
    )
    assert status.split()[0] == "200"
    body = page.wait(
        f"document.querySelector('{BLOCK} .live-responses-table tbody .response-col_description').innerText"
    )
    assert '"images"' in body
    assert "iVBORw0KGgo" in body
    assert page.errors == []


def test_every_route_is_on_the_page(server: Any, page: Page) -> None:
    page.call("Page.navigate", url=f"{server.url}/docs")
    paths = server.get("/openapi.json").json()["paths"]
    count = sum(len(methods) for methods in paths.values())
    page.wait(f"document.querySelectorAll('.opblock').length === {count}")
    assert page.errors == []


def test_redoc_shows_the_routes(server: Any, page: Page) -> None:
    page.call("Page.navigate", url=f"{server.url}/redoc")
    page.wait("document.body.innerText.includes('/sdapi/v1/txt2img')")
    assert page.errors == []


def test_the_pages_load_nothing_from_elsewhere(server: Any) -> None:
    for path in ("/", "/docs", "/redoc"):
        assert "http://" not in server.get(path).text
        assert "https://" not in server.get(path).text
