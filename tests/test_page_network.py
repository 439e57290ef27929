"""Does a point, or a row, open the page of its network, and does that say what the study says?"""

from __future__ import annotations

import base64
import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from browser import opened, words
from graph_cases import NETS
from issun.exporters.page import wire
from operator_cases import OPERATORS
from report_cases import Report, made_up, written
from test_report_network import trained

#: Where on the screen each network's mark is, by its text.
PLACES = """() => {
  const svg = document.querySelector("#chart svg");
  const stop = svg.querySelector(".stop");
  const box = svg.getBoundingClientRect();
  stop.focus();
  for (let i = 0; i < 500; i += 1) stop.dispatchEvent(new KeyboardEvent("keydown", { key: "ArrowLeft" }));
  const found = {};
  for (let i = 0; i < issun["study/state.js"].shownNetworks().length; i += 1) {
    found[stop.getAttribute("aria-label").split(":")[0]] = [box.left + +stop.getAttribute("cx"), box.top + +stop.getAttribute("cy")];
    stop.dispatchEvent(new KeyboardEvent("keydown", { key: "ArrowRight" }));
  }
  stop.blur();
  return found;
}"""


def _record(report: Report, text: str) -> dict[str, Any]:
    networks: list[dict[str, Any]] = report.content["studies"][0]["networks"]
    return next(record for record in networks if record["network"] == text)


def _detail(report: Report, text: str) -> dict[str, Any]:
    found: dict[str, Any] = report.content["studies"][0]["details"][_record(report, text)["detail"]]
    return found


def test_a_point_opens_the_page_of_its_network(chromium: Any, digits_report: Report) -> None:
    with opened(chromium, digits_report.path) as page:
        places = page.evaluate(PLACES)
        assert set(places) == set(digits_report.study.networks["network"])
        for text, (x, y) in places.items():
            page.mouse.move(x, y)
            assert text in words(page.locator("#tip"))
            page.mouse.click(x, y)
            record = _record(digits_report, text)
            panel = words(page.locator("#network"))
            assert text in panel
            assert f"{record['parameters']:,}" in panel
            assert f"{100 * record['validation']['mean']:.2f} ±" in panel


def test_a_point_is_opened_by_keyboard(chromium: Any, digits_report: Report) -> None:
    with opened(chromium, digits_report.path) as page:
        page.locator(".stop").focus()
        page.keyboard.press("ArrowLeft")
        text = page.locator(".stop").get_attribute("aria-label").split(":")[0]
        page.keyboard.press("Enter")
        assert words(page.locator("#network h2")) == text
        assert page.locator(".stop").evaluate("node => node === document.activeElement")


def test_a_row_opens_it_too_and_on_a_phone_brings_it_into_sight(chromium: Any, digits_report: Report) -> None:
    with opened(chromium, digits_report.path, width=390, height=844, reduced_motion="reduce") as page:
        row = page.locator("#networks tbody button").nth(2)
        text = words(row)
        row.focus()
        page.keyboard.press("Enter")
        assert words(page.locator("#network h2")) == text
        assert 0 <= page.locator("#network h2").bounding_box()["y"] < 844
        page.get_by_role("button", name="Back to the table").click()
        assert 0 <= page.locator("#networks-title").bounding_box()["y"] < 844


def test_tabs_are_walked_with_arrow_keys(chromium: Any, digits_report: Report) -> None:
    with opened(chromium, digits_report.path) as page:
        page.get_by_role("tab", name="Try it").focus()
        page.keyboard.press("ArrowRight")
        assert page.get_by_role("tab", name="Layers").get_attribute("aria-selected") == "true"
        page.keyboard.press("End")
        assert page.get_by_role("tab", name="Inside").get_attribute("aria-selected") == "true"
        page.keyboard.press("ArrowRight")
        assert page.get_by_role("tab", name="Try it").get_attribute("aria-selected") == "true"


def test_the_tabs_say_what_the_study_says(chromium: Any, digits_report: Report) -> None:
    with opened(chromium, digits_report.path) as page:
        text = words(page.locator("#network h2"))
        detail = _detail(digits_report, text)
        page.get_by_role("tab", name="Layers").click()
        assert page.locator("table.layers tbody tr").count() == len(detail["layers"])
        for row, layer in zip(page.locator("table.layers tbody tr").all(), detail["layers"], strict=True):
            assert layer["text"] in words(row)
            assert layer["shape"] in words(row)
        page.get_by_role("tab", name="Training").click()
        assert words(page.locator(".diagnosis")).lower() == detail["diagnosis"].lower()
        assert page.locator("svg.curves path.curve").count() == 4
        page.get_by_role("tab", name="Mistakes").click()
        assert page.locator(".mistakes li").count() == len(detail["mistakes"])
        cells = page.locator("table.confusion tbody tr").evaluate_all(
            "rows => rows.map(row => [...row.querySelectorAll('td')].map(cell => +cell.textContent))"
        )
        assert cells == detail["confusion"]
        page.get_by_role("tab", name="Inside").click()
        assert page.locator(".layer").count() == 1 + len(detail["layers"])
        assert page.locator("svg.projection > *").count() == len(detail["projection"]["label"])


RUN = """() => issun["study/state.js"].state.content.studies.flatMap((study) =>
  study.details.map(({ weights }) => weights && study.images.labels.map((_, i) =>
    [...issun["network.js"].issunNetwork(weights).run(issun["common/pixels.js"].albumImage(study, i).pixels).probabilities])))"""


def test_its_probabilities_are_those_of_predict(chromium: Any, digits_report: Report) -> None:
    study = digits_report.content["studies"][0]
    images = digits_report.dataset.images[study["images"]["index"]]
    with opened(chromium, digits_report.path) as page:
        found = page.evaluate(RUN)
    rows = digits_report.study.networks
    checked = 0
    for record in study["networks"]:
        made = found[record["detail"]]
        if made is not None:
            row = rows[rows["network"] == record["network"]].iloc[0]
            assert np.abs(np.array(made) - digits_report.study.model(row).predict_proba(images)).max() < 1e-4
            checked += 1
    assert checked == sum(record["frontier"] for record in study["networks"])


THIRD_IMAGE = """() => {
  const { pictureOf, albumImage } = issun["common/pixels.js"];
  return pictureOf(albumImage(issun["study/state.js"].state.content.studies[0], 2)).toDataURL();
}"""
RUN_ALL = """(tasks) => tasks.map(({ network, images }) => {
  const runner = issun["network.js"].issunNetwork(network);
  return images.map((pixels) => [...runner.run(Uint8Array.from(pixels)).probabilities]);
})"""


def test_networks_of_every_operator_agree_too(chromium: Any, digits_report: Report) -> None:
    models = [trained(net, number) for number, net in enumerate([*OPERATORS.values(), *NETS.values()])]
    images = [np.random.default_rng(1).integers(0, 256, (3, *model.net.input), dtype=np.uint8) for model in models]
    tasks = [{"network": wire(model), "images": some.reshape(3, -1).tolist()} for model, some in zip(models, images, strict=True)]
    with opened(chromium, digits_report.path) as page:
        found = page.evaluate(RUN_ALL, tasks)
    for model, some, said in zip(models, images, found, strict=True):
        np.testing.assert_allclose(said, model.predict_proba(some), atol=1e-4)


def _strokes(page: Any, *strokes: list[tuple[float, float]]) -> None:
    page.locator(".pad").scroll_into_view_if_needed()
    box = page.locator(".pad").bounding_box()
    for stroke in strokes:
        for number, (x, y) in enumerate(stroke):
            page.mouse.move(box["x"] + x * box["width"], box["y"] + y * box["height"], steps=1 if number == 0 else 6)
            if number == 0:
                page.mouse.down()
        page.mouse.up()


def _probabilities(page: Any) -> list[float]:
    found: list[float] = page.locator(".probabilities li").evaluate_all("items => items.map(item => +item.dataset.probability)")
    return found


def _open_best(page: Any, report: Report) -> None:
    """Open the best network on the frontier: one that can be trusted with a drawing."""
    best = max((n for n in report.content["studies"][0]["networks"] if n["frontier"]), key=lambda n: n["validation"]["mean"])
    page.locator("#networks tbody button").get_by_text(best["network"], exact=True).click()


def test_a_drawn_digit_is_classified_while_it_is_drawn(chromium: Any, digits_report: Report) -> None:
    circle = [(0.5 + 0.22 * np.sin(turn), 0.5 - 0.33 * np.cos(turn)) for turn in np.linspace(0, 2 * np.pi, 24)]
    with opened(chromium, digits_report.path) as page:
        _open_best(page, digits_report)
        before = _probabilities(page)
        _strokes(page, circle)
        said = _probabilities(page)
        assert said != before
        assert sum(said) == pytest.approx(1, abs=1e-5)
        assert int(np.argmax(said)) == 0
        assert words(page.locator(".verdict")).startswith("It sees 0")
        # The same drawn small, in a corner, is the same to the network.
        page.get_by_role("button", name="Clear").click()
        assert "Draw something" in words(page.locator(".verdict"))
        _strokes(page, [(0.05 + 0.4 * x, 0.5 + 0.4 * y) for x, y in circle])
        assert np.abs(np.array(_probabilities(page)) - said).max() < 0.05


def test_samples_and_mistakes_are_tried(chromium: Any, digits_report: Report) -> None:
    study = digits_report.content["studies"][0]
    with opened(chromium, digits_report.path) as page:
        record = _record(digits_report, words(page.locator("#network h2")))
        runs = page.evaluate(RUN)[record["detail"]]
        for place in (0, 4):
            page.locator(".sample").nth(place).click()
            assert _probabilities(page) == pytest.approx(runs[place], abs=1e-7)
        mistakes = study["details"][record["detail"]]["mistakes"]
        if mistakes:
            page.get_by_role("tab", name="Mistakes").click()
            page.locator(".mistakes button").first.click()
            assert page.get_by_role("tab", name="Try it").get_attribute("aria-selected") == "true"
            assert _probabilities(page) == pytest.approx(runs[mistakes[0]["image"]], abs=1e-7)
            assert "wrong" in words(page.locator(".verdict"))


def test_an_image_file_is_dropped(chromium: Any, digits_report: Report, tmp_path: Path) -> None:
    study = digits_report.content["studies"][0]
    pixels = digits_report.dataset.images[study["images"]["index"][3]][:, :, 0]
    Image.fromarray(pixels).save(tmp_path / "small.png")
    # As somebody photographs a digit: large, dark on white, off the middle.
    large = Image.new("L", (400, 300), 250)
    large.paste(Image.fromarray(255 - pixels).resize((160, 160), Image.Resampling.BICUBIC), (30, 90))
    large.save(tmp_path / "large.jpg")
    (tmp_path / "no.png").write_bytes(b"no image")
    with opened(chromium, digits_report.path) as page:
        _open_best(page, digits_report)
        detail = _record(digits_report, words(page.locator("#network h2")))["detail"]
        runs = page.evaluate(RUN)[detail]
        page.locator("#image-file").set_input_files(tmp_path / "small.png")
        page.locator(".panel").get_by_text("small.png. Its pixels are used unchanged.").wait_for()
        assert _probabilities(page) == pytest.approx(runs[3], abs=1e-7)
        page.locator("#image-file").set_input_files(tmp_path / "large.jpg")
        page.locator(".panel").get_by_text("Its foreground was scaled and centred").wait_for()
        assert int(np.argmax(_probabilities(page))) == study["images"]["labels"][3]
        page.locator("#image-file").set_input_files(tmp_path / "no.png")
        page.locator(".panel").get_by_text("no.png: the browser cannot read this file as an image").wait_for()


def test_long_names_many_classes_and_odd_images(chromium: Any, tmp_path: Path) -> None:
    classes = ("a" * 200, *(f"class {number}" for number in range(99)))
    for height, width in ((1, 1), (512, 512)):
        said = made_up(6, classes=classes)
        study = said["studies"][0]
        pixels = base64.b64encode(bytes(min(height, 64) * min(width, 64))).decode()
        album = {"height": min(height, 64), "width": min(width, 64), "channels": 1, "reduced": 8 if height > 64 else 1}
        study["images"] = album | {"samples": 1, "data": pixels, "labels": [0], "index": [0]}
        study["about"]["input"] = [height, width, 1]
        study["details"] = [
            {
                "layers": [],
                "curves": {"epoch": []},
                "diagnosis": "",
                "remedy": "",
                "filters": None,
                "projection": None,
                "weights": None,
                "confused": [[classes[0], classes[1], 3]],
                "confusion": np.eye(100, dtype=int).tolist(),
                "per_class": [{"name": name, "precision": None, "recall": 0.5, "f1": None, "images": 1, "given": 0} for name in classes],
                "mistakes": [{"image": 0, "true": 0, "predicted": 1, "probability": 0.9}],
            }
        ]
        for record in study["networks"]:
            record["detail"] = 0
        with opened(chromium, written(said, tmp_path / f"{height}.html"), width=390) as page:
            page.locator("summary", has_text="Protocol").click()
            assert page.locator(".mistakes li").count() == 1
            assert page.locator("table.classes tbody tr").count() == 100
            assert page.get_by_role("img", name="Confusion matrix of 100 classes").is_visible()
            assert page.evaluate("document.documentElement.scrollWidth") <= 390


def test_a_page_without_images_says_less_and_breaks_nothing(chromium: Any, digits_report: Report, tmp_path: Path) -> None:
    study = digits_report.content["studies"][0]
    details = [detail | {"mistakes": None, "projection": None} for detail in study["details"]]
    bare = digits_report.content | {"studies": [study | {"images": None, "details": details, "left_out": ["mistakes: not found"]}]}
    with opened(chromium, written(bare, tmp_path / "bare.html")) as page:
        _strokes(page, [(0.5, 0.1), (0.5, 0.9)])
        assert len(_probabilities(page)) == 10
        for name in ("Mistakes", "Inside", "Layers"):
            page.get_by_role("tab", name=name).click()
        page.locator("summary", has_text="Protocol").click()
        assert "Mistakes: not found." in words(page.locator("#protocol"))


def test_a_picture_of_bytes_has_the_bytes(chromium: Any, digits_report: Report) -> None:
    study = digits_report.content["studies"][0]
    expected = digits_report.dataset.images[study["images"]["index"][2]][:, :, 0]
    with opened(chromium, digits_report.path) as page:
        url = page.evaluate(THIRD_IMAGE)
    found = np.asarray(Image.open(io.BytesIO(base64.b64decode(url.split(",")[1]))).convert("L"))
    assert np.array_equal(found, expected)
