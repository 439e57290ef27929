"""What a teacher says of the training images: `TaughtImages`, the lessons of `issun.engine.protocol`.

The teacher is one network or several; of several the probabilities are averaged, each softmax(logits / T) at the recipe's temperature T.

- Without augmentation its probabilities are computed once, before the first step.
- With V `views` there are V changed copies of each image, the same for every seed: view v is what the seed `VIEWS_SEED` draws in epoch v
  (`issun.engine.augmenting`). The teacher sees each of them once. In an epoch a seed draws for each image which of its views is used
  (stream `VIEW`, keyed by seed, epoch and the image's index), and the network learns from exactly that copy: both always see the same.
  Where images are mixed (`mixup`), so are the probabilities of their views, with the same weights.
- In the ``loop`` every epoch changes images anew, as without a teacher, and the teacher sees all of them as training does, mixed ones too.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from issun.augmentation import Augmentation
from issun.engine.augmenting import Draws, draw
from issun.engine.fitting import log_softmax
from issun.engine.protocol import CancelFlag, Engine, Lesson
from issun.errors import ModelError
from issun.randomness import VIEW, stream, uniform
from issun.recipe import Recipe

#: The seed of all views: it does not depend on the seed of a trial, so that the trials of a study share them.
VIEWS_SEED = stream(0, VIEW)

#: Images that a teacher sees at a time: its probabilities are float64 meanwhile.
_BLOCK = 8192


class Member(NamedTuple):
    """One network of a teacher: an engine, made with the student's augmentation and batch size, and the weights."""

    engine: Engine
    weights: NDArray[np.float32]


def probabilities(
    members: Sequence[Member],
    temperature: float,
    images: NDArray[np.uint8],
    indices: NDArray[np.int64],
    cancel: CancelFlag | None = None,
    draws: Draws | None = None,
) -> NDArray[np.float32]:
    """Return the mean over the members of softmax(logits / temperature), shape (len(indices), classes), float32.

    Raises
    ------
    ModelError
        Where a member's logits are not finite.
    """
    classes = members[0].engine.net.classes
    found = np.zeros((len(indices), classes), np.float32)
    size = members[0].engine.recipe.batch_size  # blocks of whole batches, whose images may be mixed with each other
    block = max(1, _BLOCK // size) * size
    for start in range(0, len(indices), block):
        part = slice(start, start + block)
        total = np.zeros((len(indices[part]), classes))
        for member in members:
            logits = member.engine.logits(member.weights, images, indices[part], cancel, None if draws is None else draws.part(part))
            if not np.isfinite(logits).all():
                raise ModelError("the teacher's outputs are not finite: its weights are too large; give another teacher")
            total += np.exp(log_softmax(logits.astype(np.float64) / temperature))
        found[part] = total / len(members)
    return found


def views_of(
    recipe: Recipe, members: Sequence[Member], images: NDArray[np.uint8], indices: NDArray[np.int64], cancel: CancelFlag | None = None
) -> NDArray[np.float32]:
    """Return what a teacher says of each view of the images at `indices`: shape (views, N, classes) for the N images of the data, zero
    for all others. Without augmentation there is one view, the image itself. Views are not mixed with each other."""
    made = recipe.distillation
    assert made is not None
    count = made.views if isinstance(made.views, int) else 1
    found = np.zeros((count, len(images), members[0].engine.net.classes), np.float32)
    for view in range(count):
        draws = None if recipe.augment is None else Draws(_drawn(recipe.augment, images, view, indices).places, None)
        found[view, indices] = probabilities(members, made.temperature, images, indices, cancel, draws)
    return found


def _drawn(augmentation: Augmentation, images: NDArray[np.uint8], view: int, indices: NDArray[np.int64]) -> Draws:
    height, width, channels = images.shape[1:]
    return draw(augmentation, (height, width, channels), VIEWS_SEED, view, indices)


class TaughtImages:
    """A teacher's lessons on the training images of one data set, under one recipe.

    Parameters
    ----------
    recipe : Recipe
        With a teacher.
    members : sequence of Member
        Asked in the loop; of no use where all is known.
    known : ndarray of float32, shape (views, images, classes), optional
        From `views_of`; None in the loop.
    """

    def __init__(self, recipe: Recipe, members: Sequence[Member], known: NDArray[np.float32] | None) -> None:
        self._recipe, self._members, self._known = recipe, members, known

    def lesson(
        self, images: NDArray[np.uint8], indices: NDArray[np.int64], seed: int, epoch: int, cancel: CancelFlag | None = None
    ) -> Lesson:
        """See `issun.engine.protocol.Lessons`."""
        augmentation, made = self._recipe.augment, self._recipe.distillation
        assert made is not None
        height, width, channels = images.shape[1:]
        if self._known is None:
            draws = None if augmentation is None else draw(augmentation, (height, width, channels), seed, epoch, indices)
            return Lesson(probabilities(self._members, made.temperature, images, indices, cancel, draws), draws)
        if augmentation is None:
            return Lesson(self._known[0, indices], None)
        views = which_view(len(self._known), seed, epoch, indices)
        draws = _of_views(augmentation, images, views, indices)
        said = self._known[views, indices]
        return Lesson(said if draws.mix is None else _mixed(said, draws.mix, self._recipe.batch_size), draws)


def which_view(count: int, seed: int, epoch: int, indices: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return which of `count` views of each image an epoch uses."""
    return np.floor(uniform(seed, (VIEW, epoch), indices) * count).astype(np.int64)


def _of_views(augmentation: Augmentation, images: NDArray[np.uint8], views: NDArray[np.int64], indices: NDArray[np.int64]) -> Draws:
    """Return how each image is changed in its view."""
    drawn = [_drawn(augmentation, images, view, indices[views == view]) for view in range(int(views.max(initial=0)) + 1)]
    places = np.empty((len(indices), drawn[0].places.shape[1]), np.int32)
    mix = None if drawn[0].mix is None else np.empty(len(indices), np.float32)
    for view, draws in enumerate(drawn):
        places[views == view] = draws.places
        if mix is not None and draws.mix is not None:
            mix[views == view] = draws.mix
    return Draws(places, mix)


def _mixed(said: NDArray[np.float32], mix: NDArray[np.float32], size: int) -> NDArray[np.float32]:
    """Return probabilities, each mixed with those of the next image of its batch, those of the last one with those of the first."""
    following = np.arange(1, len(said) + 1)
    following[size - 1 :: size] = np.arange(0, len(said), size)[: len(following[size - 1 :: size])]
    following[-1] = (len(said) - 1) // size * size
    share = mix.astype(np.float64)[:, None]
    return np.asarray(share * said + (1 - share) * said[following], np.float32)
