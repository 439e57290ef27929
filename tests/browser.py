"""A real browser for tests of the report's page: Chromium as the machine has it, driven by Playwright, which asks for no download."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

#: Under which names Chromium is installed.
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")

#: It runs as root in a container, without a screen, and leaves the network alone.
FLAGS = (
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
)


@contextmanager
def chromium_or_skip(*flags: str) -> Iterator[Any]:
    """Yield a browser, with more flags where some are given; skip where there is none, or nothing that drives it."""
    playwright = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed (the extra `test` brings it)")
    found = next((path for name in NAMES if (path := shutil.which(name))), None)
    if found is None:
        pytest.skip(f"no browser here: install Chromium (looked for {', '.join(NAMES)})")
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=found, headless=True, args=[*FLAGS, *flags])
        try:
            yield browser
        finally:
            browser.close()


@contextmanager
def opened(browser: Any, path: Path, *, width: int = 1440, height: int = 900, **options: Any) -> Iterator[Any]:
    """Open a report from disk and yield its page; fail where it complained, or asked for anything but itself.

    Parameters
    ----------
    browser : Browser
    path : Path
        Of the HTML file.
    width, height : int
        Of the window.
    options
        Of the browser's context: ``color_scheme``, ``has_touch``, …
    """
    context = browser.new_context(viewport={"width": width, "height": height}, **options)
    try:
        context.set_default_timeout(10_000)
        page = context.new_page()
        said: list[str] = []
        asked: list[str] = []
        page.on("console", lambda message: said.append(f"{message.type}: {message.text}") if message.type in ("error", "warning") else None)
        page.on("pageerror", lambda error: said.append(f"uncaught: {error}"))
        page.on("request", lambda request: asked.append(request.url))
        page.goto(path.as_uri())
        yield page
        page.wait_for_timeout(50)
        assert said == []
        assert asked == [path.as_uri()]
    finally:
        context.close()


def words(locator: Any) -> str:
    """Return an element's text with plain spaces."""
    return " ".join(str(locator.inner_text()).split())
