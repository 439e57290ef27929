"""A photograph that is dropped on the report becomes what `issun predict` makes of it, but for the browser's own filter."""

from __future__ import annotations

import base64
import io
from typing import Any

import numpy as np
import pytest
from PIL import Image

from browser import opened
from issun.datasets.resizing import RESIZES, Resize, resized
from report_cases import Report
from test_photos import photo

#: The pixels of a picture, given in base64, for a study that resizes in a way (null: a study of an older issun), and what was done.
DROPPED = """async ([picture, height, width, resize]) => {
  const bytes = Uint8Array.from(atob(picture), (letter) => letter.charCodeAt(0));
  const about = { input: [height, width, 3], ...(resize ? { resize } : {}) };
  const image = await issun["tryit/file.js"].imageOfFile(new File([bytes], "x.png"), { about });
  return [Array.from(image.pixels), image.how];
}"""

WORDS = {"crop": "cropped to its centre and resized", "pad": "resized with black bars", "stretch": "stretched"}


@pytest.mark.parametrize("resize", [*RESIZES, None])
def test_a_photograph_of_another_shape(chromium: Any, digits_report: Report, resize: Resize | None) -> None:
    with opened(chromium, digits_report.path) as page:
        for shape, (height, width) in (((120, 200), (16, 16)), ((300, 100), (24, 32))):
            picture = Image.fromarray(photo(3, *shape))
            stream = io.BytesIO()
            picture.save(stream, "PNG")
            pixels, how = page.evaluate(DROPPED, [base64.b64encode(stream.getvalue()).decode(), height, width, resize])
            expected = np.asarray(resized(picture, height, width, resize or "crop"), int)
            apart = np.abs(np.array(pixels).reshape(expected.shape) - expected)
            assert how == f"It was {WORDS[resize or 'crop']} to {height}x{width}."
            assert apart.mean() < 4
            if resize == "pad":
                assert ((expected == 0).all(axis=2) == (np.array(pixels).reshape(expected.shape) == 0).all(axis=2)).mean() > 0.97
