"""Are class names written in whatever script they have, where any installed font has its letters?"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import matplotlib
import matplotlib.font_manager as fonts
import numpy as np
import pytest
from fontTools.fontBuilder import FontBuilder
from fontTools.pens.ttGlyphPen import TTGlyphPen
from matplotlib.backends.backend_agg import FigureCanvasAgg

from folder_of import pixels
from issun.datasets.dataset import Dataset
from issun.plots.gallery import samples_figure
from issun.plots.style import families_for, letters_of, shortened, writable

NAMES = ("plain", "犬", "$x^2$", "a very long name indeed", "犬と猫", "\t", "猫犬猫犬猫犬猫犬")


def sheet(names: tuple[str, ...] = NAMES) -> Dataset:
    labels = np.arange(len(names), dtype=np.int32)
    images = pixels(1, len(names), 3, 3, 1)
    return Dataset("drawn", images, labels, images, labels, names)


def written(dataset: Dataset) -> list[str]:
    """Return the labels of a sheet, after it was drawn: a letter that no font has would be a warning, and so an error."""
    figure = samples_figure(dataset)
    FigureCanvasAgg(figure).draw()
    return [text.get_text() for text in figure.texts[: len(figure.axes)]]


@pytest.fixture(autouse=True)
def bundled(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Leave only the fonts that come with matplotlib, whatever this machine has and an earlier test found."""
    forget = fonts.fontManager._findfont_cached.cache_clear  # type: ignore[attr-defined]
    forget()
    monkeypatch.setattr(fonts.fontManager, "ttflist", [])
    for path in sorted(Path(matplotlib.get_data_path(), "fonts", "ttf").glob("*.ttf")):
        fonts.fontManager.addfont(path)
    yield
    forget()


def install(path: Path, family: str, letters: str) -> None:
    """Make a font in which each letter is a filled triangle, and let matplotlib know it."""
    pen = TTGlyphPen(None)
    pen.moveTo((0, 0))
    pen.lineTo((500, 800))
    pen.lineTo((900, 0))
    pen.closePath()
    glyphs = [".notdef", *(f"letter{index}" for index in range(len(letters)))]
    builder = FontBuilder(1000, isTTF=True)
    builder.setupGlyphOrder(glyphs)
    builder.setupCharacterMap({ord(letter): glyph for letter, glyph in zip(letters, glyphs[1:], strict=True)})
    builder.setupGlyf(dict.fromkeys(glyphs, pen.glyph()))
    builder.setupHorizontalMetrics(dict.fromkeys(glyphs, (1000, 0)))
    builder.setupHorizontalHeader(ascent=800, descent=-200)
    builder.setupNameTable({"familyName": family, "styleName": "Regular"})
    builder.setupOS2(sTypoAscender=800, usWinAscent=800, usWinDescent=200)
    builder.setupPost()
    builder.save(path)
    fonts.fontManager.addfont(path)


def test_letters_that_no_font_has_are_numbers() -> None:
    assert written(sheet()) == ["plain", "class 1", "$x^2$", "a very long …", "class 4", "class 5", "class 6"]


def test_letters_that_another_font_has_are_written(tmp_path: Path) -> None:
    install(tmp_path / "dogs.ttf", "Dogs Only", "犬と")
    assert written(sheet()) == ["plain", "犬", "$x^2$", "a very long …", "class 4", "class 5", "class 6"]
    install(tmp_path / "cats.ttf", "Some Cats", "猫")
    assert written(sheet()) == ["plain", "犬", "$x^2$", "a very long …", "犬と猫", "class 5", "猫犬猫犬猫犬…"]
    assert families_for(NAMES) == ["DejaVu Sans", "Dogs Only", "Some Cats"]
    assert families_for(["plain"]) == ["DejaVu Sans"]


def test_a_font_of_boxes_for_everything_is_none(tmp_path: Path) -> None:
    install(tmp_path / "last.ttf", "Some Last Resort", "犬")
    (tmp_path / "gone.ttf").write_bytes((tmp_path / "last.ttf").read_bytes())
    install(tmp_path / "gone.ttf", "Gone", "犬")
    (tmp_path / "gone.ttf").unlink()
    assert families_for(["犬"]) == ["DejaVu Sans"]


def test_what_is_written_and_how_long() -> None:
    known = letters_of(["DejaVu Sans"])
    assert [writable(text, known) for text in ("ÅŠж", "", "  ", "a\nb", "犬")] == [True, False, False, False, False]
    assert letters_of(["No Such Family"]) == set()
    assert [shortened(text, 5) for text in ("12345", "123456", "犬犬", "犬犬犬", "")] == ["12345", "1234…", "犬犬", "犬犬…", ""]
