"""Is the table of all networks sorted, filtered and copied as people expect?"""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any

import pytest

from browser import opened, words
from report_cases import Report, made_up, written


def _column(page: Any, number: int) -> list[str]:
    found: list[str] = page.locator("#networks tbody tr").evaluate_all(
        f"rows => rows.map(row => row.children[{number}].innerText.replaceAll('\\u00a0', ' '))"
    )
    return found


def _by_numbers(text: str) -> tuple[bool, list[int]]:
    return text.startswith("dense"), [int(word) for word in text.replace(",", " ").split() if word.isdigit()]


def test_a_press_on_a_name_sorts(chromium: Any, digits_report: Report) -> None:
    networks = digits_report.study.networks
    with opened(chromium, digits_report.path) as page:
        assert _column(page, 1) == [f"{count:,}" for count in sorted(networks["parameters"])]
        page.get_by_role("button", name="parameters", exact=True).click()
        assert _column(page, 1) == [f"{count:,}" for count in sorted(networks["parameters"], reverse=True)]
        assert page.get_by_role("columnheader", name="parameters").get_attribute("aria-sort") == "descending"
        page.get_by_role("button", name="validation", exact=True).click()
        means = [float(text.split()[0]) for text in _column(page, 6)]
        assert means == sorted(means, reverse=True), "accuracies come best first"
        page.get_by_role("button", name="network", exact=True).click()
        assert _column(page, 0) == sorted(_column(page, 0), key=_by_numbers)


def test_words_filter(chromium: Any, digits_report: Report) -> None:
    with opened(chromium, digits_report.path) as page:
        page.locator("#words").fill("DENSE k=4")
        assert {text.strip() for text in _column(page, 0)} == {"dense 4, dense", "dense 40, dense"}
        page.locator("#words").fill("nothing like it")
        assert "No network matches" in words(page.locator("#networks tbody"))
        page.locator("#words").fill("")
        page.get_by_label("frontier only").check()
        assert len(_column(page, 0)) == int(digits_report.study.networks["frontier"].sum())


def _copied(chromium: Any, path: Path) -> list[dict[str, str]]:
    """Return what the button copies."""
    with opened(chromium, path, permissions=["clipboard-read", "clipboard-write"]) as page:
        page.locator("#copy-csv").click()
        page.get_by_role("button", name="Copied").wait_for()
        return list(csv.DictReader(io.StringIO(page.evaluate("navigator.clipboard.readText()"))))


def test_it_is_copied_as_csv(chromium: Any, digits_report: Report) -> None:
    found = _copied(chromium, digits_report.path)
    records = digits_report.content["studies"][0]["networks"]
    assert [row["network"] for row in found] == [record["network"] for record in records]
    for row, record in zip(found, records, strict=True):
        assert int(row["parameters"]) == record["parameters"]
        assert float(row["val_accuracy_mean"]) == record["validation"]["mean"]
        assert row["test_accuracy_mean"] == ("" if record["test"] is None else str(record["test"]["mean"]))


def test_a_cell_that_looks_like_a_formula_is_none(chromium: Any, tmp_path: Path) -> None:
    said = made_up(1)
    said["studies"][0]["networks"][0]["label"] = '=HYPERLINK("x"),"'
    found = _copied(chromium, written(said, tmp_path / "formula.html"))
    assert found[0]["label"] == '\'=HYPERLINK("x"),"'


def test_a_grid_study_has_its_heat_map(chromium: Any, digits_report: Report) -> None:
    grid = digits_report.content["studies"][0]["heatmap"]
    assert grid is not None
    with opened(chromium, digits_report.path) as page:
        rows = page.locator("table.heat tbody tr")
        cells = rows.evaluate_all("rows => rows.map(row => [...row.querySelectorAll('td')].map(cell => cell.innerText))")
        assert cells == [[f"{100 * value:.1f}" for value in line] for line in reversed(grid["validation"])]
        page.locator("table.heat tbody button").first.click()
        top_left = next(record for record in digits_report.content["studies"][0]["networks"] if record["id"] == grid["networks"][-1][0])
        assert words(page.locator("#network h2")) == top_left["network"]


def test_heads_stand_in_a_table_with_bars(chromium: Any, tmp_path: Path) -> None:
    heads = [
        {"features": "pixels", "head": "linear", "parameters": 7850, "validation": {"mean": 0.926, "sd": 0.001}},
        {"features": "random conv", "head": "svm", "parameters": 4086, "validation": {"mean": 0.942, "sd": None}},
    ]
    with opened(chromium, written(made_up(3, heads=heads), tmp_path / "heads.html")) as page:
        rows = [words(row) for row in page.locator("table.heads tbody tr").all()]
    assert rows == ["random conv svm 4,086 94.20 %", "pixels linear 7,850 92.60 ± 0.10 %"]


def test_what_stands_below_and_where_the_dots_are(chromium: Any, tmp_path: Path) -> None:
    shared = {"layer": "4 pool", "head": "ridge", "parameters": 4086}
    heads = [
        {"extractor": "random", **shared, "trainable_params": 3930, "validation": {"mean": 0.95, "sd": 0.01}},
        {"extractor": "network", **shared, "trainable_params": 4086, "validation": {"mean": 0.99, "sd": None}},
    ]
    with opened(chromium, written(made_up(3, heads=heads), tmp_path / "heads.html")) as page:
        rows = [words(row) for row in page.locator("table.heads tbody tr").all()]
        places = [float(dot.evaluate("dot => dot.style.left.slice(0, -1)")) for dot in page.locator(".spread-dot").all()]
        widths = [float(line.evaluate("line => line.style.width.slice(0, -1)")) for line in page.locator(".spread-line").all()]
        note = words(page.locator("#heads .note").last)
    # All are trained in the second: said once. From 94 to 99 %, and 0.2 points to spare at each end.
    assert rows == ["network 4 pool ridge 4,086 99.00 %", "random 4 pool ridge 4,086 3,930 trained 95.00 ± 1.00 %"]
    assert places == pytest.approx([100 * 5.2 / 5.4, 100 * 1.2 / 5.4], abs=0.01)
    assert widths == pytest.approx([0, 100 * 2 / 5.4], abs=0.01)
    assert note.startswith("Dots range from 93.8 % to 99.2 %")


def test_the_protocol_and_its_command_are_in_the_fold(chromium: Any, digits_report: Report) -> None:
    with opened(chromium, digits_report.path, permissions=["clipboard-read", "clipboard-write"]) as page:
        assert not page.locator("dl.protocol").is_visible()
        page.locator("summary", has_text="Protocol").focus()
        page.keyboard.press("Enter")
        said = words(page.locator("dl.protocol"))
    about = digits_report.content["studies"][0]["about"]
    assert f"{about['images']:,} for training and validation" in said
    assert about["fingerprint"] in said
    assert all(recipe["text"] in said for recipe in about["recipes"])
    assert "stratified, with seed 0" in said
