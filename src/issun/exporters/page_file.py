"""A classifier as one HTML page: it opens from disk, on a phone too, and classifies a photo or what the camera sees.

The page is `issun.pages`' ``classifier.html``; its network is written by `issun.exporters.page` and runs in the same JavaScript as in the
report. A picture of any size is cropped and resized there as `issun.predict` does it, to the same bytes.
"""

from __future__ import annotations

import base64
import json
import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path, PureWindowsPath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from issun import __version__
from issun.arch.net import Net
from issun.engine.protocol import Scaling
from issun.errors import ExportError
from issun.exporters.check import Answers
from issun.exporters.page import wire
from issun.exporters.writing import Written
from issun.model import Model
from issun.numbers import counted, percent
from issun.pages.one_file import page
from issun.paths import write_whole
from issun.study.statistics import wilson_lower

#: Up to this many bytes a page is small enough to be sent around and to open at once on a phone; a larger one is written, and told.
SMALL = 300_000

_CONTENT = re.compile(r'<script type="application/json" id="content">(.*?)</script>', re.DOTALL)


def lacking(net: Net) -> list[str]:
    """Return nothing: the page has every layer."""
    return []


def write(model: Model, target: Path, training_images: int | None = None) -> Written:
    """Write the page.

    Parameters
    ----------
    model : Model
    target : Path
    training_images : int, optional
        How many images the model was trained on, for the page to tell.

    Raises
    ------
    ExportError
        Where the network takes images of other than 1 or 3 channels.
    """
    channels = model.net.input[2]
    if channels not in (1, 3):
        raise ExportError(
            f"HTML pages read photos, which are grey (1 channel) or RGB (3), but the network's input has {channels} channels: choose "
            f"another format with --to"
        )
    content = page(content_of(model, training_images), frame="classifier.html").encode()
    write_whole(target, content)
    facts = {}
    if len(content) > SMALL:
        facts["large"] = f"over {SMALL // 1000} kB, slow to send and to open; a parameter takes 5.3 bytes"
    node = shutil.which("node")
    if node is None:
        facts["not run"] = "the page's scripts, since Node.js was not found; only the numbers in the file were checked"
    answers = _read_back(model, target) if node is None else _in_node(node, target, model.net.classes)
    return Written((target,), answers, facts=facts)


def content_of(model: Model, training_images: int | None = None) -> dict[str, Any]:
    """Return what the page holds.

    Returns
    -------
    dict
        ``title``; ``issun``: the version; ``network``: as of `issun.exporters.page.wire`; ``classes``: their names; ``resize``: what is
        done with pictures of another shape, as of `issun.datasets.resizing`; ``appearance``: what training images look like, as of
        `issun.datasets.appearance.Appearance.as_dict`, or None; ``about``: pairs of a name and a text.
    """
    data = model.provenance.data
    # Of a path, of whichever system, only its end: where data lay on somebody's machine is nobody's business.
    name = "" if data is None else PureWindowsPath(data.name).name or data.name
    return {
        "title": f"Image classifier: {name}" if name else "Image classifier",
        "issun": __version__,
        "network": wire(model),
        "classes": list(model.classes),
        "resize": model.provenance.fitting.resize,
        "appearance": None if model.appearance is None else model.appearance.as_dict(),
        "about": [*_about(model, name, training_images)],
    }


def _about(model: Model, name: str, training_images: int | None) -> list[tuple[str, str]]:
    net, made = model.net, model.provenance
    trained = [name] if name else []
    trained += [counted(training_images, "image")] if training_images is not None else []
    accuracy, mean, held = made.val_accuracy, made.val_accuracy_mean, _held(model)
    folds = "" if made.folds is None else f" in {made.folds.folds} folds"
    # The best of several seeds is lucky, too: their mean is not, and bounds what is to be expected.
    sure = accuracy if mean is None else mean
    bound = f"{' of the mean' if mean else ''}, counting the images alone"  # a model's file does not tell how much seeds differ
    facts = [
        ("Network", str(net)),
        ("Parameters", f"{net.parameters:,}"),
        ("Classes", f"{net.classes:,}"),
        ("Input", f"{net.input[0]}x{net.input[1]} pixels, {'grey' if net.input[2] == 1 else 'RGB'}"),
        ("Trained on", ", ".join(trained)),
        ("Validation accuracy", "" if accuracy is None else percent(accuracy) + (f" of {counted(held, 'image')}{folds}" if held else "")),
        ("Seed", made.chosen),
        ("Mean over seeds", "" if mean is None else percent(mean)),
        ("Lower 95 % bound", "" if sure is None or not held else percent(wilson_lower(sure, held)) + bound),
        ("Note", made.mark),
        ("Warning", made.warning),
    ]
    return [(fact, text) for fact, text in facts if text]


def _held(model: Model) -> int:
    """Return how many images a model was validated on; 0 where it does not say."""
    if model.provenance.folds is not None:
        return model.provenance.folds.images
    number = re.match(r"([0-9]{1,9}) ", model.provenance.validation_images)
    return int(number[1]) if number else 0


def _in_node(node: str, target: Path, classes: int) -> Answers:
    """Return what runs the page's own scripts, without a browser."""
    script = Path(__file__).with_name("page_check.js")

    def answers(images: NDArray[np.uint8]) -> NDArray[np.float32]:
        try:
            done = subprocess.run([node, str(script), str(target)], input=images.tobytes(), capture_output=True, check=False)
        except OSError as error:
            raise ExportError(f"{node} cannot be run ({error.strerror}): install Node.js anew, or remove it") from None
        if done.returncode or len(done.stdout) != 4 * classes * len(images):
            said = [line for line in done.stderr.decode("utf-8", "replace").splitlines() if line.strip()]
            problem = next((line for line in said if "Error" in line), said[-1] if said else "it gave no answer")
            raise ExportError(f"the page's scripts failed in Node.js ({problem:.200}): use Node.js 18 or newer")
        return np.frombuffer(done.stdout, "<f4").reshape(len(images), classes)

    return answers


def _read_back(model: Model, target: Path) -> Answers:
    """Return what answers with the numbers that the page holds; its scripts do not run."""
    found = _CONTENT.search(target.read_text("utf-8"))
    if found is None:
        raise ExportError(f"the page {target.name} holds no content: install issun again")
    network = json.loads(found[1])["network"]
    weights = np.frombuffer(base64.b64decode(network["data"]), "<f4").astype(np.float32)
    scaling = Scaling(tuple(network["scaling"]["factor"]), tuple(network["scaling"]["offset"]))
    return replace(model, weights=weights, scaling=scaling).predict_proba
