"""The classifier's page in Chromium, opened from disk: does it say of pictures what `issun predict` says, whoever opens it, and how?"""

from __future__ import annotations

import base64
import struct
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageCms
from PIL.PngImagePlugin import PngInfo

import issun
from browser import chromium_or_skip, opened, words
from export_cases import model_of
from issun.arch.notation import parse_network
from issun.datasets.appearance import Appearance
from issun.datasets.pictures import read_image
from issun.exporters import export_model
from issun.model import Model
from issun.predicting.prediction import predict

#: The network's probabilities: JavaScript and the core sum float32 in different orders.
TOLERANCE = 1e-4

#: Chromium brings a made-up camera along, and allows it.
CAMERA = ("--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream")

ALL = """async (pictures) => {
  const { issunNetwork } = issun["network.js"];
  const content = JSON.parse(document.getElementById("content").textContent);
  const network = issunNetwork(content.network);
  const { decoded, pictureOf } = issun["classifier/source.js"];
  const { inputOf } = issun["classifier/picture.js"];
  const answers = [];
  for (const picture of pictures) {
    const bytes = Uint8Array.from(atob(picture), (letter) => letter.charCodeAt(0));
    const bitmap = await decoded(new Blob([bytes]));
    const image = inputOf(pictureOf(bitmap, bitmap.height, bitmap.width, network.input[2]), network.input);
    answers.push({ pixels: [...image.pixels], probabilities: [...network.run(image.pixels).probabilities] });
  }
  return answers;
}"""


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    with chromium_or_skip(*CAMERA) as browser:
        yield browser


@pytest.fixture(scope="module")
def digits() -> Model:
    """A model that knows digits."""
    return issun.train("digits", "conv 8, pool, dense", epochs=6, threads=1).model


@pytest.fixture(scope="module")
def page_of_digits(digits: Model, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return export_model(digits, tmp_path_factory.mktemp("page") / "digits", "page").files[0]


def answers(page: Any, files: list[Path]) -> list[dict[str, Any]]:
    """Return what the page says of files, not looking at what it shows."""
    found: list[dict[str, Any]] = page.evaluate(ALL, [base64.b64encode(file.read_bytes()).decode() for file in files])
    return found


def choose(page: Any, file: Path) -> list[float]:
    """Choose a file as a person does, and return the probabilities that are shown, likeliest first."""
    page.evaluate("document.getElementById('name').textContent = ''")
    page.locator("#file").set_input_files(file)
    page.locator("#name").get_by_text(file.name).wait_for()
    found: list[float] = page.locator("#probabilities li").evaluate_all("items => items.map(item => +item.dataset.probability)")
    return found


def classes_shown(page: Any) -> list[int]:
    found: list[int] = page.locator("#probabilities li").evaluate_all("items => items.map(item => +item.dataset.class)")
    return found


def test_every_validation_image_is_answered_as_predict_answers_it(chromium: Any, tmp_path: Path) -> None:
    dataset = issun.load("digits")
    model = issun.train("digits", "conv 8, pool, dense", epochs=3, threads=1).model
    _, validation = dataset.parts(issun.Split.named(model.provenance.split))
    files = [tmp_path / f"{number}.png" for number in range(len(validation))]
    for file, index in zip(files, validation, strict=True):
        Image.fromarray(dataset.images[index][..., 0]).save(file)
    path = export_model(model, tmp_path / "digits", "page").files[0]
    with opened(chromium, path) as page:
        found = answers(page, files)
    said = predict(model, [str(file) for file in files], top=10)
    assert len(found) == len(said.images) == len(validation) > 100
    compare(found, said)
    assert [answer["pixels"] for answer in found] == [dataset.images[index].ravel().tolist() for index in validation]


def compare(found: list[dict[str, Any]], said: issun.Prediction) -> None:
    for place, answer in enumerate(found):
        probabilities = np.array(answer["probabilities"])
        np.testing.assert_allclose(probabilities[said.ranked[place]], said.probabilities[place], atol=TOLERANCE)
        assert probabilities.argmax() == said.ranked[place, 0]


def scene(seed: int, height: int, width: int, channels: int = 3) -> NDArray[np.uint8]:
    """Return shades with some noise, as photos have."""
    generator = np.random.default_rng(seed)
    small = Image.fromarray(generator.integers(0, 256, (5, 7, channels), np.uint8).squeeze())
    shades = np.asarray(small.resize((width, height), Image.Resampling.BICUBIC), np.int16)
    noise = np.resize(generator.integers(-20, 21, 1009), shades.shape)
    return (shades + noise).clip(0, 255).astype(np.uint8)


def many_pictures(folder: Path) -> list[Path]:
    """Write pictures of many kinds and sizes, whose pixels every decoder agrees on."""
    made: dict[str, Image.Image] = {}
    for number, (height, width) in enumerate([(1, 1), (2, 9), (33, 20), (240, 320), (320, 200), (1, 300), (700, 3), (1500, 2000)]):
        made[f"rgb-{height}x{width}.png"] = Image.fromarray(scene(number, height, width))
    grey = scene(20, 50, 70, 1)
    made["grey.png"] = Image.fromarray(grey)
    made["black-and-white.png"] = Image.fromarray(grey).convert("1")
    made["palette.png"] = Image.fromarray(scene(21, 60, 40)).convert("P")
    made["palette.gif"] = Image.fromarray(scene(22, 60, 40)).convert("P")
    made["windows.bmp"] = Image.fromarray(scene(23, 41, 60))
    made["lossless.webp"] = Image.fromarray(scene(24, 41, 60))
    opacity = np.random.default_rng(3).integers(0, 256, (90, 70, 1), np.uint8)
    made["transparent.png"] = Image.fromarray(np.concatenate([scene(25, 90, 70), opacity], axis=2))
    made["transparent-grey.png"] = Image.fromarray(np.concatenate([scene(26, 90, 70)[..., :1], opacity], axis=2).copy(), "LA")
    files = []
    for name, image in made.items():
        image.save(folder / name, **({"lossless": True} if name.endswith("webp") else {"compress_level": 1}))
        files.append(folder / name)
    # Colours stay as they stand in the file, whatever it says of them.
    gamma = PngInfo()
    gamma.add(b"gAMA", struct.pack(">I", 100_000))
    made["rgb-33x20.png"].save(folder / "gamma.png", pnginfo=gamma)
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    swapped = profile.replace(b"rXYZ", b"....").replace(b"bXYZ", b"rXYZ").replace(b"....", b"bXYZ")  # its red is blue
    made["rgb-33x20.png"].save(folder / "profile.png", icc_profile=swapped)
    made["rgb-240x320.png"].save(folder / "profile.jpg", icc_profile=swapped)
    files += [folder / name for name in ("gamma.png", "profile.png", "profile.jpg")]
    for turn in range(1, 9):
        exif = Image.Exif()
        exif[274] = turn
        for ending in ("png", "jpg"):
            files.append(folder / f"turned-{turn}.{ending}")
            Image.fromarray(scene(30, 40, 64)).save(files[-1], exif=exif, quality=90)
    return files


@pytest.mark.parametrize("channels", [1, 3])
def test_pictures_of_any_size_and_kind(chromium: Any, tmp_path: Path, channels: int) -> None:
    """The network receives the same bytes of each as with `predict`, except for JPEGs, where decoders may differ by a level or two."""
    model = model_of(parse_network("conv 4, pool, conv 6, pool, dense", (24, 20, channels), 5))
    path = export_model(model, tmp_path / "net", "page").files[0]
    files = many_pictures(tmp_path)
    with opened(chromium, path) as page:
        found = answers(page, files)
    for file, answer in zip(files, found, strict=True):
        expected = read_image(file, model.net.input)[0]  # type: ignore[arg-type]
        off = np.abs(np.array(answer["pixels"]) - expected.ravel().astype(int)).max()
        assert off <= (2 if file.suffix == ".jpg" else 0), file.name
    exact = [place for place, file in enumerate(files) if file.suffix != ".jpg"]
    said = predict(model, [str(files[place]) for place in exact], top=5)
    compare([found[place] for place in exact], said)


def test_what_is_shown_is_what_was_worked_out(chromium: Any, page_of_digits: Path, digits: Model, tmp_path: Path) -> None:
    image = issun.load("digits").test_images[7]
    Image.fromarray(image[..., 0]).save(tmp_path / "one.png")
    said = predict(digits, str(tmp_path / "one.png"), top=5)
    with opened(chromium, page_of_digits) as page:
        assert words(page.locator("#empty")) == "No picture yet."
        assert not page.locator("#answer").is_visible()
        shown = choose(page, tmp_path / "one.png")
        assert shown == pytest.approx(said.probabilities[0].tolist(), abs=TOLERANCE)
        assert classes_shown(page) == said.ranked[0].tolist()
        assert words(page.locator("#verdict")).startswith(said.classes[0])
        assert not page.locator("#doubt").is_visible()
        page.wait_for_timeout(900)
        assert page.locator("#said").inner_text().startswith(f"{said.classes[0]}, ")


def test_unlike_images_are_told_and_the_advice_helps(chromium: Any, page_of_digits: Path, digits: Model, tmp_path: Path) -> None:
    image = issun.load("digits").test_images[7][..., 0]
    Image.fromarray(255 - image).save(tmp_path / "inverted.png")
    large = Image.new("L", (400, 300), 250)
    large.paste(Image.fromarray(255 - image).resize((160, 160), Image.Resampling.BICUBIC), (30, 90))
    large.save(tmp_path / "large.png")
    with opened(chromium, page_of_digits) as page:
        for file, box, changes in (("inverted.png", "#invert", {"invert": True}), ("large.png", "#fit", {"fit": True})):
            for name in ("#invert", "#fit"):
                page.locator(name).set_checked(False)
            choose(page, tmp_path / file)
            plain = predict(digits, str(tmp_path / file), top=5)
            assert plain.doubt is not None
            assert words(page.locator("#doubt")).startswith("This picture is unlike the training images (")
            assert str(plain.doubt).split("(")[1].split(")")[0] in words(page.locator("#doubt"))
            page.locator(box).check()
            said = predict(digits, str(tmp_path / file), top=5, **changes)
            found = page.locator("#probabilities li").evaluate_all("items => items.map(item => +item.dataset.probability)")
            assert found == pytest.approx(said.probabilities[0].tolist(), abs=TOLERANCE)
            assert page.locator("#doubt").is_visible() == (said.doubt is not None)


def test_what_is_no_picture_is_told_in_a_sentence(chromium: Any, page_of_digits: Path, tmp_path: Path) -> None:
    (tmp_path / "letter.txt").write_text("no picture")
    (tmp_path / "<b>empty.png").write_bytes(b"")
    Image.fromarray(np.arange(64, dtype=np.uint16).reshape(8, 8) * 1000).save(tmp_path / "deep.png")
    good = tmp_path / "good.png"
    Image.fromarray(scene(0, 30, 30, 1)).save(good)
    (tmp_path / "cut.png").write_bytes(good.read_bytes()[:40])
    with opened(chromium, page_of_digits) as page:
        choose(page, good)
        for name, message in [
            ("letter.txt", "is not a picture that this browser can read. Choose a JPEG or PNG file."),
            ("<b>empty.png", "is not a picture that this browser can read."),
            ("cut.png", "is not a picture that this browser can read."),
            ("deep.png", "has 16 bits a colour, which browsers cannot read exactly."),
        ]:
            page.locator("#file").set_input_files(tmp_path / name)
            page.locator("#empty").get_by_text(f"{name} {message}").wait_for()
            assert not page.locator("#answer").is_visible()
            assert not page.locator("#stage").is_visible()
            assert page.locator("#said").inner_text().startswith(name)
        assert len(choose(page, good)) == 5


ODD_NAMES = ("<b>bold</b>", "'quoted\"", "🦉 owl", "<script>alert(1)</script>", "&amp;", "x" * 300, "日本", "a\nb", "%s ${x}")


@pytest.mark.parametrize("width", [390, 1280])
def test_odd_names_of_classes_break_nothing(chromium: Any, tmp_path: Path, width: int) -> None:
    model = replace(model_of(parse_network("dense", (6, 5, 1), len(ODD_NAMES))), classes=ODD_NAMES)
    path = export_model(model, tmp_path / "net", "page").files[0]
    Image.fromarray(scene(1, 60, 50, 1)).save(tmp_path / "<i>odd & large.png")
    with opened(chromium, path, width=width) as page:
        choose(page, tmp_path / "<i>odd & large.png")
        said = predict(model, str(tmp_path / "<i>odd & large.png"), top=5)
        names = [words(name) for name in page.locator("#probabilities .name").all()]
        assert names == [" ".join(ODD_NAMES[place].split()) for place in said.ranked[0]]
        page.locator("summary").click()
        assert page.locator("#classes li").count() == len(ODD_NAMES)
        assert page.locator("b, i, main script").count() == 0
        assert page.evaluate("document.documentElement.scrollWidth") <= width


@pytest.mark.parametrize(("classes", "shown"), [(2, 2), (3, 3), (200, 5)])
def test_few_and_many_classes(chromium: Any, tmp_path: Path, classes: int, shown: int) -> None:
    model = model_of(parse_network("dense", (6, 5, 3), classes))
    path = export_model(model, tmp_path / "net", "page").files[0]
    Image.fromarray(scene(1, 60, 50)).save(tmp_path / "one.png")
    with opened(chromium, path, width=390, height=844) as page:
        assert len(choose(page, tmp_path / "one.png")) == shown
        assert not page.locator("#fit-option").is_visible(), "there is no plain ground to tell a foreground from"


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(("width", "height"), [(390, 844), (1280, 900)])
def test_nothing_stands_in_anyones_way(chromium: Any, page_of_digits: Path, tmp_path: Path, scheme: str, width: int, height: int) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe-core is not installed (the extra `test` brings it)")
    Image.fromarray(scene(1, 60, 50, 1)).save(tmp_path / "one.png")
    with opened(chromium, page_of_digits, width=width, height=height, color_scheme=scheme, has_touch=width < 500) as page:
        for picture in (False, True):
            if picture:
                choose(page, tmp_path / "one.png")
            found = axe.Axe().run(page, options={"resultTypes": ["violations"]}).response["violations"]
            assert [(entry["id"], entry["nodes"][0]["html"]) for entry in found] == []
            assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_a_keyboard_reaches_everything(chromium: Any, page_of_digits: Path) -> None:
    with opened(chromium, page_of_digits) as page:
        choosers: list[Any] = []
        page.on(
            "filechooser", lambda chooser: choosers.append(chooser)
        )  # before anything else: it takes a while until the browser tells of choosers
        reached = []
        for _ in range(6):
            page.keyboard.press("Tab")
            reached.append(page.evaluate("document.activeElement.id || document.activeElement.tagName"))
        assert reached[:5] == ["file", "camera", "invert", "fit", "SUMMARY"]
        page.locator("#file").focus()
        page.keyboard.press("Enter")
        for _ in range(100):
            page.wait_for_timeout(50)
            if choosers:
                break
        assert [chooser.is_multiple() for chooser in choosers] == [False]


def test_a_picture_can_be_dropped(chromium: Any, page_of_digits: Path) -> None:
    with opened(chromium, page_of_digits) as page:
        page.evaluate(
            """async () => {
              const canvas = new OffscreenCanvas(20, 30);
              canvas.getContext("2d").fillRect(0, 0, 9, 9);
              const transfer = new DataTransfer();
              transfer.items.add(new File([await canvas.convertToBlob()], "dropped.png"));
              const event = new DragEvent("drop", { dataTransfer: transfer, bubbles: true, cancelable: true });
              document.getElementById("frame").dispatchEvent(event);
            }"""
        )
        page.locator("#name").get_by_text("dropped.png").wait_for()
        assert page.locator("#answer").is_visible()


def test_without_a_camera_it_says_what_to_do_instead(chromium: Any, page_of_digits: Path) -> None:
    with opened(chromium, page_of_digits) as page:
        page.evaluate("Object.defineProperty(navigator, 'mediaDevices', { value: undefined })")
        page.locator("#camera").click()
        assert words(page.locator("#empty")) == (
            "This browser does not let a page opened from a file use the camera. "
            "Choose a photo instead; on a phone, that opens the camera as well."
        )
    for name, words_of in [("NotAllowedError", "The camera was not allowed."), ("OddError", "The camera cannot be used (busy).")]:
        with opened(chromium, page_of_digits) as page:
            refused = f"() => {{ navigator.mediaDevices.getUserMedia = () => Promise.reject(new DOMException('busy', '{name}')) }}"
            page.evaluate(refused)
            page.locator("#camera").click()
            page.locator("#empty").get_by_text(f"{words_of} Choose a photo instead").wait_for()
            assert words(page.locator("#camera")) == "Live camera"


def test_a_phone_is_offered_its_camera(chromium: Any, page_of_digits: Path) -> None:
    with opened(chromium, page_of_digits, width=390, height=844, has_touch=True, is_mobile=True) as page:
        assert page.get_by_text("Take a photo").is_visible()
        assert page.locator("#snapshot").get_attribute("capture") == "environment"
        assert page.locator("#file").get_attribute("capture") is None
    with opened(chromium, page_of_digits) as page:
        assert not page.get_by_text("Take a photo").is_visible()


def test_the_camera_is_looked_through_until_a_picture_is_taken(chromium: Any, page_of_digits: Path) -> None:
    with opened(chromium, page_of_digits) as page:
        page.locator("#camera").click()
        page.locator("#answer").wait_for()
        assert page.locator("#video").is_visible()
        assert words(page.locator("#camera")) == "Take this picture"
        page.locator("#camera").click()
        page.locator("#stage").wait_for()
        assert words(page.locator("#camera")) == "Live camera"
        assert page.evaluate("document.getElementById('video').srcObject") is None
        before = page.locator("#probabilities").inner_text()
        page.locator("#invert").check()
        assert page.locator("#probabilities").inner_text() != before


def test_a_file_takes_the_place_of_the_camera(chromium: Any, page_of_digits: Path, tmp_path: Path) -> None:
    Image.fromarray(scene(1, 60, 50, 1)).save(tmp_path / "one.png")
    with opened(chromium, page_of_digits) as page:
        page.locator("#camera").click()
        page.locator("#answer").wait_for()
        shown = choose(page, tmp_path / "one.png")
        page.wait_for_timeout(300)
        assert not page.locator("#video").is_visible()
        assert choose(page, tmp_path / "one.png") == shown


def test_the_page_stays_small(page_of_digits: Path) -> None:
    assert page_of_digits.stat().st_size < 80_000


def test_a_model_that_says_nothing_of_its_training_images_gives_no_doubt(chromium: Any, tmp_path: Path) -> None:
    model = model_of(parse_network("dense", (6, 5, 1), 3))
    black = np.zeros((20, 6, 5, 1), np.uint8)
    Image.fromarray(scene(1, 60, 50, 1)).save(tmp_path / "one.png")
    for name, appearance in (("silent", None), ("strict", Appearance.of(black))):
        path = export_model(replace(model, appearance=appearance), tmp_path / name, "page").files[0]
        with opened(chromium, path) as page:
            choose(page, tmp_path / "one.png")
            assert page.locator("#doubt").is_visible() == (appearance is not None)
