"""Does the page open from disk, on a desk and on a phone, light and dark, for everybody? Pictures are looked at by people; here is what
machines can check."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from browser import opened, words
from report_cases import Report, made_up, written

TABS = ("Try it", "Layers", "Training", "Mistakes", "Inside")

#: Everything that shows text: no letters under 12 pixels, and none over the edge of a narrow screen.
SMALLEST = """() => {
  const found = [];
  for (const node of document.querySelectorAll("body *")) {
    const own = [...node.childNodes].some((child) => child.nodeType === 3 && child.textContent.trim());
    const box = node.getBoundingClientRect();
    if (!own || !box.width || node.closest(".unseen, script, style, noscript")) continue;
    const scale = node.ownerSVGElement ? node.getScreenCTM().a : 1;
    const size = parseFloat(getComputedStyle(node).fontSize) * scale;
    if (size < 11.95) found.push(`${size} ${node.tagName} ${node.textContent.trim().slice(0, 40)}`);
  }
  return found;
}"""


def _violations(page: Any) -> list[str]:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe is not installed (the extra `test` brings it)")
    found = axe.Axe().run(page, options={"resultTypes": ["violations"]}).response["violations"]
    return [f"{rule['id']}: {node['html'][:200]} {node['failureSummary']}" for rule in found for node in rule["nodes"]]


def test_it_opens_from_disk_and_asks_for_nothing(chromium: Any, digits_report: Report) -> None:
    assert digits_report.path.stat().st_size < 1_500_000
    with opened(chromium, digits_report.path) as page:
        assert "How small can a network" in page.title()
        assert words(page.locator("h1")) == digits_report.content["title"]
        assert page.locator("#chart svg .strong").count() > 0
        assert page.evaluate("document.querySelectorAll('[src], link[href]').length") == 0, "everything is in the file"
        assert "default-src 'none'" in page.locator('meta[http-equiv="Content-Security-Policy"]').get_attribute("content")


@pytest.mark.parametrize(("scheme", "width"), [("light", 1440), ("dark", 1440), ("light", 390)])
def test_nothing_stands_in_the_way_of_anybody(chromium: Any, digits_report: Report, scheme: str, width: int) -> None:
    with opened(chromium, digits_report.path, width=width, color_scheme=scheme, reduced_motion="reduce") as page:
        page.locator("summary", has_text="Protocol").click()
        for name in TABS:
            page.get_by_role("tab", name=name).click()
            assert _violations(page) == [], name
            assert page.evaluate(SMALLEST) == [], name
            assert page.evaluate("document.documentElement.scrollWidth") <= width, f"{name} is wider than the screen"


def test_the_theme_is_switched_and_remembered(chromium: Any, digits_report: Report) -> None:
    paper = "getComputedStyle(document.body).backgroundColor"
    with opened(chromium, digits_report.path, color_scheme="light") as page:
        light = page.evaluate(paper)
        switch = page.locator("#theme")
        switch.click()
        assert words(switch) == "Theme: light"
        switch.click()
        assert words(switch) == "Theme: dark"
        dark = page.evaluate(paper)
        assert dark != light
        page.emulate_media(color_scheme="dark")
        switch.click()
        assert (words(switch), page.evaluate(paper)) == ("Theme: system", dark)
        page.emulate_media(color_scheme="light")
        assert page.evaluate(paper) == light


def test_on_paper_every_part_is_shown_in_ink(chromium: Any, digits_report: Report) -> None:
    with opened(chromium, digits_report.path, color_scheme="dark") as page:
        page.evaluate("dispatchEvent(new Event('beforeprint'))")
        page.emulate_media(media="print")
        assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
        panel = words(page.locator("#network"))
        for part in ("Layers", "Training", "Most confident mistakes", "Figures by class", "Filters of the first layer"):
            assert part in panel
        assert page.locator("dl.protocol").is_visible()
        page.evaluate("dispatchEvent(new Event('afterprint'))")
        page.emulate_media(media="screen")
        assert page.get_by_role("tab").count() == len(TABS)


def test_what_comes_from_data_is_text(chromium: Any, tmp_path: Path) -> None:
    bad = "</script><script>document.title='owned'</script><img src=x onerror=\"document.title='owned'\">"
    said = made_up(4, classes=(bad, "b"))
    study = said["studies"][0]
    said["title"] = study["name"] = study["data"] = bad
    study["about"] |= {"question": bad, "command": bad, "notes": [bad], "mark": bad}
    for record in study["networks"]:
        record |= {"family": bad, "label": bad, "network": bad}
    with opened(chromium, written(said, tmp_path / "bad.html")) as page:
        page.locator("summary", has_text="Protocol").click()
        assert "owned" not in page.title().replace(bad, "")
        assert page.locator("img").count() == 0
        assert bad.replace("\n", " ") in words(page.locator("h1"))
        assert bad in words(page.locator("#protocol"))


def test_a_study_without_a_finished_trial_says_so(chromium: Any, tmp_path: Path) -> None:
    said = made_up(0, default_target=None, message="the study has no finished trial to choose from")
    with opened(chromium, written(said, tmp_path / "empty.html")) as page:
        assert "nothing to choose from" in words(page.locator("#answer"))
        assert "no network has been measured yet" in words(page.locator("#chart"))
        assert "No network has been measured yet" in words(page.locator("#network"))
        assert _violations(page) == []


def test_a_study_that_diverged_altogether_says_so(chromium: Any, tmp_path: Path) -> None:
    said = made_up(5, default_target=None)
    for record in said["studies"][0]["networks"]:
        record |= {"diverged": 2, "frontier": False}
        record["validation"] |= {"mean": 0.1, "sd": 0.0}
    with opened(chromium, written(said, tmp_path / "diverged.html")) as page:
        assert "Every network diverged" in words(page.locator("#answer"))
        assert page.locator("#networks tbody tr").count() == 5


def test_a_study_that_watched_its_test_part_says_so(chromium: Any, tmp_path: Path) -> None:
    said = made_up(9)
    study = said["studies"][0]
    study["about"] |= {"as_published": True, "watched": "the test part", "mark": "as published: watched on the test part"}
    for record in study["networks"]:
        record["test"] = {"mean": 0.1234, "sd": 0.001}
    with opened(chromium, written(said, tmp_path / "published.html")) as page:
        answer = words(page.locator("#answer"))
        assert "As published: watched on the test part." in answer
        assert "On the test part, as published (50 images)" in answer
        assert "chosen by nothing" not in answer
        assert "12.34" not in words(page.locator("body"))
        assert "Validation" not in words(page.locator("#network"))


def test_several_studies_lie_over_each_other(chromium: Any, digits_report: Report, tmp_path: Path) -> None:
    said = made_up(20)
    said["studies"][0]["name"] = "other"
    both = digits_report.content | {"studies": [*digits_report.content["studies"], *said["studies"]]}
    with opened(chromium, written(both, tmp_path / "both.html")) as page:
        assert page.locator("#answer .sentence").count() == 1
        assert page.locator("#comparison .own-answer").count() == 2
        assert page.locator(".step").count() == 2
        assert page.locator("#networks tbody tr").count() == 20 + len(digits_report.study.networks)
        assert _violations(page) == []
        page.get_by_role("radio", name="other").check()
        assert page.locator("#networks tbody tr").count() == 20
        assert page.locator(".step").count() == 1


def test_two_thousand_networks_are_usable(chromium: Any, tmp_path: Path) -> None:
    said = made_up(2000, families=12)
    with opened(chromium, written(said, tmp_path / "large.html")) as page:
        assert "2,000 networks, the first 50 shown" in words(page.locator("#networks"))
        assert page.locator("#chart svg *").count() < 400, "the marks of a family are one path"
        page.get_by_role("slider", name="Target").focus()
        for _ in range(30):
            page.keyboard.press("ArrowDown")
        assert "that reaches" in words(page.locator(".sentence"))
        page.locator("#words").fill("n=17 dense")
        assert page.locator("#networks tbody tr").count() > 0
        page.locator("#networks tbody tr").first.click()
        assert page.locator("#networks tbody tr.chosen").count() == 1
        page.get_by_role("radio", name="MACs").check()
        assert "The cheapest" in words(page.locator(".sentence"))
        assert _violations(page) == []
