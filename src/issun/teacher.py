"""`Teacher`: a trained network, or several, whose probabilities another network learns; and whether it has seen validation images.

A network that is chosen by its validation figure must not have learnt from the validation images, not even through its teacher. A
teacher is *independent* of a validation part where its own provenance says that it was trained on the same data with the same images
set aside. `TeacherFacts.doubt` says why one is not.
"""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from issun.arch.layers import shape_text
from issun.build import instruction_set
from issun.datasets.class_names import same_names
from issun.datasets.dataset import Dataset
from issun.datasets.split import Split, validation_mark
from issun.engine import EngineName, make_engine
from issun.engine.lessons import Member, TaughtImages, views_of
from issun.engine.protocol import CancelFlag
from issun.errors import ModelError
from issun.model import Model
from issun.recipe import Recipe


@dataclass(frozen=True)
class TeacherFacts:
    """What is kept of a teacher: everything but its weights.

    Attributes
    ----------
    fingerprint : str
        16 hexadecimal digits over its networks, weights and scalings, as recipes name it.
    name : str
        The file that it came from; empty where it came from none.
    network : str
    parameters : int
        Of one of its networks.
    seeds : tuple of int
        Of its networks, those that are known; their probabilities are averaged.
    data : str
        Fingerprint of the data that it was trained on; empty where that is not known.
    validation_images : str
        Which images it was validated on, see `issun.datasets.split.validation_mark`; empty where that is not known.
    seen : str
        Why it may have learnt from its own validation images; mostly nothing.
    """

    fingerprint: str
    name: str
    network: str
    parameters: int
    seeds: tuple[int, ...]
    data: str
    validation_images: str
    seen: str = ""

    def __str__(self) -> str:
        several = f"mean of {len(self.seeds)} seeds of " if len(self.seeds) > 1 else ""
        return f"{several}{self.network} ({self.parameters:,} parameters{f', {self.name}' if self.name else ''}, {self.fingerprint})"

    def doubt(self, data: str, validation_images: str) -> str:
        """Return why the teacher may have learnt from validation images; nothing where it is independent of them.

        Parameters
        ----------
        data : str
            Fingerprint of the data.
        validation_images : str
            Which of its images are the validation part, as `issun.datasets.split.validation_mark` says it.
        """
        if self.seen:
            return self.seen
        if not self.data or not self.validation_images:
            return "its teacher does not record which images it was trained on, so it may have learnt from the validation images"
        if self.data != data:
            return f"its teacher was trained on other data ({self.data}), which may hold the validation images"
        if self.validation_images != validation_images:
            return "its teacher had other validation images, so it may have learnt from these"
        return ""


class Teacher:
    """Networks that teach together: each softmax(logits / T) at the recipe's temperature T, averaged.

    Parameters
    ----------
    models : sequence of Model
        At least one; of one network, one data set and one split.
    name : str
        The file that they came from, without its folder.

    Raises
    ------
    ModelError
        Where the models do not belong together.
    """

    def __init__(self, models: Sequence[Model], name: str = "") -> None:
        self.models, self.name = tuple(models), name
        if len({(model.net, model.classes, model.provenance.data, model.provenance.validation_images) for model in models}) != 1:
            raise ModelError(
                f"`models` ({len(self.models)} of them) must be at least one, and all of one network, with the same classes, data and "
                f"validation images: give the seeds of one network of a study"
            )
        self._known: dict[tuple[str, ...], NDArray[np.float32]] = {}
        self._computing = threading.Lock()

    def __repr__(self) -> str:
        return f"<Teacher {self.facts}>"

    @cached_property
    def facts(self) -> TeacherFacts:
        """What is kept of it."""
        net, first = self.models[0].net, self.models[0].provenance
        return TeacherFacts(
            fingerprint=fingerprint(self.models),
            name=self.name,
            network=str(net),
            parameters=net.parameters,
            seeds=tuple(model.provenance.seed for model in self.models if model.provenance.seed is not None),
            data="" if first.data is None else first.data.fingerprint,
            validation_images=first.validation_images,
            seen=next((seen for model in self.models if (seen := _seen(model))), ""),
        )

    def check(self, dataset: Dataset, argument: str = "teacher") -> None:
        """Raise `ModelError` where it cannot teach on these images: they have another size, or other classes. `argument` gave it."""
        first = self.models[0]
        if first.net.input != dataset.input:
            raise ModelError(
                f"`{argument}` takes {shape_text(first.net.input)} images, but those of {dataset.name} are "
                f"{shape_text(dataset.input)}: give one that was trained on images of this size"
            )
        if not same_names(first.classes, dataset.classes):
            known, here = (", ".join(names[:10]) + (", …" if len(names) > 10 else "") for names in (first.classes, dataset.classes))
            raise ModelError(
                f"`{argument}` knows the classes {known}, but those of {dataset.name} are {here}: give a {argument} that was trained "
                f"on the same classes, in the same order"
            )

    def doubt(self, dataset: Dataset, split: Split) -> str:
        """Return why it may have learnt from the validation images of a split; nothing where it is independent of them."""
        return self.facts.doubt(dataset.fingerprint, validation_mark(dataset.parts(split)[1]))

    def lessons(
        self,
        recipe: Recipe,
        dataset: Dataset,
        train: NDArray[np.int64],
        *,
        threads: int = 1,
        engine: EngineName = "native",
        cancel: CancelFlag | None = None,
    ) -> TaughtImages:
        """Return its lessons on the training images at `train`. What is the same for several trials is computed once.

        Raises
        ------
        ModelError
            Where it cannot teach on these images, or its outputs are not finite.
        Cancelled
            Where `cancel` was set.
        """
        self.check(dataset)
        if recipe.views == "loop":
            return TaughtImages(recipe, self._members(recipe, threads, engine), None)
        settings = (recipe.temperature, recipe.views, recipe.augment, recipe.batch_size)
        key = (engine, instruction_set(), dataset.fingerprint, validation_mark(train), *map(str, settings))
        with self._computing:  # the trials of a study ask at the same time
            if key not in self._known:
                self._known[key] = views_of(recipe, self._members(recipe, threads, engine), dataset.images, train, cancel)
        return TaughtImages(recipe, (), self._known[key])

    def _members(self, recipe: Recipe, threads: int, engine: EngineName) -> list[Member]:
        """Return its networks, ready to be asked about images that are changed as the recipe says."""
        seeing = Recipe(batch_size=recipe.batch_size, augment=recipe.augment)
        return [Member(make_engine(model.net, seeing, model.scaling, threads, engine), model.weights) for model in self.models]


def fingerprint(models: Sequence[Model]) -> str:
    """Return 16 hexadecimal digits over the networks, weights and scalings of models, as recipes name them."""
    digest = hashlib.sha256()
    for model in models:
        digest.update(json.dumps([model.net.id, *model.scaling.factor, *model.scaling.offset]).encode())
        digest.update(model.weights.astype("<f4").tobytes())
    return digest.hexdigest()[:16]


def _seen(model: Model) -> str:
    """Return why a model may have learnt from its own validation images; mostly nothing."""
    if model.provenance.dependence:
        return f"its teacher was taught so itself: {model.provenance.dependence}"
    if model.provenance.folds:
        return "its teacher was trained on all images, after folds: train it with --folds 1 (`folds=1`)"
    if model.provenance.head:
        return "its teacher ends with a head that was fitted to the validation images"
    return ""
