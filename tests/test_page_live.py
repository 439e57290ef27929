"""Does the page that `issun watch` serves follow a study that grows, and does a page on disk ask nobody?"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from browser import opened, words
from issun.webpage.live import Live
from issun.webpage.serve import Server
from report_cases import made_up, written
from small_study import digits, run_small, small_plan


@contextmanager
def _served(path: Path) -> Iterator[Server]:
    server = Server(Live([path], data=digits()), 0)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def test_the_page_follows_a_study_that_grows(chromium: Any, tmp_path: Path) -> None:
    path = tmp_path / "growing.sqlite"
    run_small(path, small_plan("dense n, dense", "n=1,2"))
    with _served(path) as server:
        page = chromium.new_page()
        said: list[str] = []
        page.on("console", lambda message: said.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: said.append(str(error)))
        try:
            page.goto(server.url)
            assert page.locator("#networks tbody tr").count() == 2
            page.locator("#networks tbody button").nth(1).click()
            open_one = words(page.locator("#network h2"))
            run_small(path, small_plan("dense n, dense", "n=1,2,3,4"))
            page.locator("#networks tbody tr").nth(3).wait_for(timeout=30_000)
            assert words(page.locator("#network h2")) == open_one, "what somebody looks at stays open"
            assert words(page.locator("#live")) == "Live"
            assert said == []
        finally:
            page.close()


def test_it_says_when_it_is_served_no_longer(chromium: Any, tmp_path: Path) -> None:
    path = tmp_path / "left.sqlite"
    run_small(path, small_plan("dense n, dense", "n=1,2"))
    context = chromium.new_context()
    try:
        with _served(path) as server:
            page = context.new_page()
            page.goto(server.url)
            context.set_offline(True)
            page.get_by_text("no longer served").wait_for(timeout=30_000)
            assert page.locator("#networks tbody tr").count() == 2
            context.set_offline(False)
            page.get_by_text("Live", exact=True).wait_for(timeout=30_000)
    finally:
        context.close()


def test_from_disk_it_asks_nobody(chromium: Any, tmp_path: Path) -> None:
    live = made_up(5) | {"live": True}
    with opened(chromium, written(live, tmp_path / "live.html")) as page:
        page.wait_for_timeout(2500)
        assert not page.locator("#live").is_visible()
