"""The images that a page carries: samples of each class and what networks got wrong, each once, up to a budget."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from issun.datasets.dataset import Dataset
from issun.exporters.page import encoded

#: A larger image is shown reduced, by a whole factor, so that its longer side has at most this many pixels.
LONGEST_SIDE = 64


class Album:
    """Images of a data set's training part, collected until they are too many.

    Parameters
    ----------
    dataset : Dataset
    most : int
        Bytes of pixels.

    Attributes
    ----------
    reduced : int
        How many pixels of an image became one, along each side; 1 where images are carried as they are.
    capacity : int
        How many images there can be.
    """

    def __init__(self, dataset: Dataset, most: int) -> None:
        self.dataset = dataset
        height, width, channels = dataset.input
        self.reduced = -(-max(height, width) // LONGEST_SIDE)
        # An image that is much longer than wide keeps at least one pixel across.
        self._steps = min(self.reduced, height), min(self.reduced, width)
        self._shape = height // self._steps[0], width // self._steps[1], channels
        self.capacity = max(1, most // int(np.prod(self._shape)))
        self._places: dict[int, int] = {}

    def add(self, index: int) -> int | None:
        """Return the place of an image of the training part in the album, None where the album is full without it."""
        if index not in self._places:
            if len(self._places) >= self.capacity:
                return None
            self._places[index] = len(self._places)
        return self._places[index]

    def __len__(self) -> int:
        return len(self._places)

    def record(self, samples: int) -> dict[str, Any]:
        """Return the images for the page; the first `samples` of them are samples of the classes."""
        indices = np.array(list(self._places), np.int64)
        height, width, channels = self._shape
        return {
            "height": height,
            "width": width,
            "channels": channels,
            "reduced": self.reduced,
            "samples": samples,
            "data": encoded(self._pixels(indices).tobytes()),
            "labels": [int(label) for label in self.dataset.labels[indices]],
            "index": [int(index) for index in indices],
        }

    def _pixels(self, indices: NDArray[np.int64]) -> NDArray[np.uint8]:
        images = self.dataset.images[indices]
        if self.reduced == 1:
            return images
        (down, across), (height, width, channels) = self._steps, self._shape
        cut = images[:, : height * down, : width * across].reshape(len(images), height, down, width, across, channels)
        return np.asarray(cut.mean(axis=(2, 4)).round().astype(np.uint8))


def sample_indices(labels: NDArray[np.int32], validation: NDArray[np.int64], classes: int, most: int) -> list[int]:
    """Return images of the validation part, the first of each class, then the second of each, at most `most`.

    No network was trained on them, and none was picked for what a network says of it.
    """
    rounds = max(1, min(3, most // max(1, classes)))
    by_class = [validation[labels[validation] == number][:rounds] for number in range(classes)]
    return [int(found[turn]) for turn in range(rounds) for found in by_class if len(found) > turn][:most]
