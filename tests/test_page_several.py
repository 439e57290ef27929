"""The page of several studies: what each needs for one accuracy, side by side, and every study as in a page of its own."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Any

import pytest

from browser import opened, words
from issun.study import Query, Study
from issun.webpage import content
from issun.webpage.live import Live
from issun.webpage.serve import Server
from report_cases import written
from small_study import digits, run_small, small_plan


@pytest.fixture(scope="module")
def studies(tmp_path_factory: pytest.TempPathFactory) -> tuple[Study, Study]:
    folder = tmp_path_factory.mktemp("several")
    run_small(folder / "plain.sqlite", small_plan("dense n, dense", "n=1,2,3"))
    run_small(folder / "deep.sqlite", small_plan("conv k, pool, dense", "k=1,2,4", "conv k, dense", "k=1", seeds=(0, 1, 2)))
    return Study(folder / "plain.sqlite"), Study(folder / "deep.sqlite")


def page_of(studies: tuple[Study, ...], path: Path, query: Query | None = None) -> Path:
    return written(content(studies, query, data=digits()), path)


def test_the_answer_is_that_of_show(chromium: Any, studies: tuple[Study, Study], tmp_path: Path) -> None:
    from issun import show

    found = show(studies, target=0.2).comparison
    with opened(chromium, page_of(studies, tmp_path / "two.html", Query(0.2))) as page:
        for switch, size in (("Parameters", "parameters"), ("MACs", "macs"), ("Memory", "peak_memory")):
            page.get_by_role("radio", name=switch).check()
            row, entry = found.least[size]
            sentence = words(page.locator("#answer .sentence"))
            assert f"that reaches 20 % is one of {row.name}: it" in sentence
            if size != "peak_memory":
                assert f"{getattr(entry, size):,}" in sentence
            assert page.locator("#network h2").count() == 1
        page.get_by_role("radio", name="Parameters").check()
        rows = [words(line) for line in page.locator("#comparison tbody tr").all()]
        for line, row in zip(rows, found.rows, strict=True):
            assert row.entry is not None
            assert line.startswith(f"{row.name} digits 8x8 gray {row.entry.network} {row.entry.parameters:,} ")
            assert f"{100 * row.entry.val_accuracy_lower95:.2f} %" in line
        assert "plain, deep: the same validation images" in words(page.locator("#comparison"))
        assert "can be compared directly" in words(page.locator("#answer"))


def test_one_series_and_one_frontier_a_study(chromium: Any, studies: tuple[Study, Study], tmp_path: Path) -> None:
    with opened(chromium, page_of(studies, tmp_path / "two.html")) as page:
        assert [words(one) for one in page.locator("#legend button").all()] == ["plain: digits 8x8 gray", "deep: digits 8x8 gray"]
        assert page.locator(".step.own").count() == 2
        assert "Each study has its own target" in words(page.locator("#answer"))
        page.locator("#legend button").first.click()
        assert "Every family is hidden" in words(page.locator("#comparison .own-answer").first)
        assert page.locator("#networks tbody tr").count() == 4
        page.get_by_role("radio", name="deep").check()
        assert page.locator("#comparison").is_hidden()
        assert page.locator(".step.own").count() == 0
        assert [words(one) for one in page.locator("#legend button").all()] == ["conv k, pool, dense", "conv k, dense"]
        assert "within 1 % of the best" in words(page.locator("#answer .sentence"))
        page.get_by_role("radio", name="All").check()
        assert page.locator("#comparison").is_visible()


def test_the_table_follows_the_target_and_opens_networks(chromium: Any, studies: tuple[Study, Study], tmp_path: Path) -> None:
    with opened(chromium, page_of(studies, tmp_path / "two.html", Query(0.2))) as page:
        page.get_by_role("slider", name="Target").focus()
        page.keyboard.press("End")
        assert "No study reaches" in words(page.locator("#answer .sentence"))
        assert page.locator("#comparison tbody").get_by_text("no network reaches").count() == 2
        page.keyboard.press("Home")
        link = page.locator("#comparison tbody tr").nth(1).get_by_role("button")
        name = words(link)
        link.focus()
        page.keyboard.press("Enter")
        assert name in words(page.locator("#network h2"))
        assert "Study: deep" in words(page.locator("#network"))


@pytest.mark.parametrize(("scheme", "width"), [("light", 1200), ("dark", 1200), ("light", 390), ("dark", 390)])
def test_nothing_stands_in_the_way_of_anybody(chromium: Any, studies: tuple[Study, Study], tmp_path: Path, scheme: str, width: int) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe is not installed (the extra `test` brings it)")
    path = page_of(studies, tmp_path / "two.html", Query(0.2))
    with opened(chromium, path, width=width, color_scheme=scheme, reduced_motion="reduce") as page:
        found = axe.Axe().run(page, options={"resultTypes": ["violations"]}).response["violations"]
        assert [rule["id"] for rule in found] == []
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        page.emulate_media(media="print")
        assert page.locator("#comparison table").is_visible()
        page.emulate_media(media="screen")


def test_marks_and_names_are_text(chromium: Any, studies: tuple[Study, Study], tmp_path: Path) -> None:
    said = json.loads(json.dumps(content(studies, data=digits())))
    said["studies"][0]["name"] = "<b>bold</b>" * 8
    said["studies"][0]["about"] |= {"mark": "as published: watched on the test part", "quick": True}
    with opened(chromium, written(said, tmp_path / "odd.html"), width=390) as page:
        row = words(page.locator("#comparison tbody tr").first)
        assert row.startswith("<b>bold</b>")
        assert "as published: watched on the test part; a quick run" in row
        assert "(as published: watched on the test part)" in words(page.locator("#legend"))
        assert page.locator("#comparison b").count() == 0
        assert page.evaluate("document.documentElement.scrollWidth") <= 390


def test_several_studies_are_followed_while_they_grow(chromium: Any, tmp_path: Path) -> None:
    paths = [tmp_path / "one.sqlite", tmp_path / "two.sqlite"]
    for path in paths:
        run_small(path, small_plan("dense n, dense", "n=1,2"))
    server = Server(Live(paths, data=digits()), 0)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    page = chromium.new_page()
    try:
        page.goto(server.url)
        assert page.locator("#networks tbody tr").count() == 4
        page.locator("#legend button").first.click()  # what is hidden stays hidden
        assert page.locator("#networks tbody tr").count() == 2
        run_small(paths[1], small_plan("dense n, dense", "n=1,2,3"))
        page.locator("#networks tbody tr").nth(2).wait_for(timeout=30_000)
        assert page.locator("#comparison tbody tr").count() == 2
        assert "share 4 trials" in words(page.locator("#comparison"))
    finally:
        page.close()
        server.shutdown()
        server.server_close()
        thread.join()
