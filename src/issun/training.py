"""Training one network once: `train_network`, and the `Outcome` that comes of it."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from issun.arch.layers import shape_text
from issun.arch.net import Net
from issun.cutting import Original
from issun.datasets.dataset import Dataset, Split
from issun.datasets.split import validation_mark
from issun.engine import EngineName, Epoch, Scaling, State, class_weights_for, fit, handed_over, make_engine, scaling_for, threads_available
from issun.engine.fitting import best_of, loss_and_accuracy
from issun.engine.protocol import SLOTS, CancelFlag, Engine, check_average
from issun.engine.weights import penalty
from issun.errors import ModelError, NetworkError, RecipeError
from issun.events import Event
from issun.model import Model
from issun.old_names import old_attribute
from issun.provenance import KeptEpoch, Provenance
from issun.recipe import Recipe
from issun.teacher import Teacher, TeacherFacts


@dataclass(frozen=True)
class TrainingProgress(Event):
    """One moment of a training: the lines of the epochs that have ended, of `epochs`; none yet when it begins. In folds, which `split`."""

    net: Net
    data: str
    epochs: int
    history: tuple[Epoch, ...]
    split: Split | None = None


@dataclass(frozen=True, eq=False)
class Outcome:
    """What came of training one network once. Losses are means over images with penalties, accuracies are fractions.

    Attributes
    ----------
    net, recipe, split, seed
        What was trained, and how.
    state : State
        Where training ended: weights, optimizer moments, the average and the best epoch where the recipe asks for them.
    history : tuple of Epoch
        One line an epoch, from the first on.
    scaling : Scaling
        How uint8 values became the network's input.
    val_loss, val_accuracy : float
        With the final weights; nan where no image was set aside.
    validation_predictions : ndarray of uint16, shape (validation images,)
        The predicted class of each validation image, in the order of `Dataset.parts`. See `issun.pooling.pooled` for what stands here, and
        as loss and accuracy, of a training on all images after folds.
    test_loss, test_accuracy : float
        With the final weights, measured once; nan where there is no test part, or it was not asked for. To be reported, never to choose by.
    seconds : float
        Time spent training, measuring left out.
    diverged : bool
        Whether a loss or a weight stopped being a finite number; training then ended early.
    teacher : TeacherFacts or None
        Whose probabilities it was trained on.
    dependence : str
        Why the teacher may have learnt from the validation images, so that the validation figures choose nothing; else empty.
    """

    net: Net
    recipe: Recipe
    split: Split
    seed: int
    state: State
    history: tuple[Epoch, ...]
    scaling: Scaling
    val_loss: float
    val_accuracy: float
    validation_predictions: NDArray[np.uint16]
    test_loss: float
    test_accuracy: float
    seconds: float
    diverged: bool
    teacher: TeacherFacts | None = None
    dependence: str = ""

    validation_loss = old_attribute("validation_loss", "val_loss")
    validation_accuracy = old_attribute("validation_accuracy", "val_accuracy")

    @property
    def weights(self) -> NDArray[np.float32]:
        """The weights that are handed over: see `issun.engine.handed_over`. All figures are theirs."""
        return handed_over(self.recipe, self.state, self.diverged)[0]

    @property
    def kept(self) -> int:
        """The epoch, from 1, whose weights they are."""
        return handed_over(self.recipe, self.state, self.diverged)[1]

    def model(self, dataset: Dataset) -> Model:
        """Return the trained network as a `Model` with the class names of `dataset`, on which it was trained.

        Raises
        ------
        ModelError
            Where training diverged, or the data set has another number of classes.
        """
        if self.diverged:
            raise ModelError(
                f"training diverged in epoch {len(self.history)}, so there is no model: train again with a smaller `learning_rate` "
                f"(now {self.recipe.learning_rate:g})"
            )
        provenance = Provenance.of_data(
            dataset,
            self.split,
            seed=self.seed,
            validation=str(self.split),
            val_accuracy=self.val_accuracy,
            epoch=KeptEpoch(self.kept, len(self.history)),
            recipe=self.recipe.stored_json(),
            issun=_version(),
            teacher="" if self.teacher is None else str(self.teacher),
            dependence=self.dependence,
        )
        return Model(self.net, self.weights, self.scaling, dataset.classes, provenance, dataset.appearance)


def _version() -> str:
    try:
        return version("issun")
    except PackageNotFoundError:  # run from its sources without being installed
        return "unknown"


def train_network(
    net: Net,
    recipe: Recipe,
    dataset: Dataset,
    split: Split | None = None,
    seed: int = 0,
    *,
    threads: int | None = None,
    engine: EngineName = "native",
    state: State | None = None,
    history: Sequence[Epoch] = (),
    on_epoch: Callable[[Epoch, State], None] | None = None,
    cancel: CancelFlag | None = None,
    teacher: Teacher | None = None,
    original: Original | None = None,
    test: bool = True,
) -> Outcome:
    """Train one network to the last epoch of its recipe, from the first or from a stored state, and measure it.

    Parameters
    ----------
    net : Net
        Made for the images and classes of `dataset`, with at least one weight to train.
    recipe : Recipe
    dataset : Dataset
    split : Split, optional
        Which of the training images are set aside for validation, where the data brings no validation part; by default a tenth,
        ``Split()``.
    seed : int
        Seed of weights, order and dropout. The same arguments give the same outcome to the bit, `threads` and an interruption between two
        epochs notwithstanding; only the seconds differ.
    threads : int, optional
        How many to use; by default one for each core.
    engine : {"native", "reference"}
    state, history : State and sequence of Epoch, optional
        Where to go on from: the state after an epoch (it is copied) and the lines of all epochs up to it.
    on_epoch : callable, optional
        Called after each epoch with its line and the state (copy it to keep it).
    cancel : CancelFlag, optional
        Asked again and again whether to stop.
    teacher : Teacher, optional
        The one that the recipe names by its fingerprint.
    original : Original, optional
        The one that the recipe names as `cut_from`. A network that is cut from it begins with its weights, and takes its scaling.
    test : bool
        Whether it is measured on the test part, if there is one.

    Returns
    -------
    Outcome
        Also where training diverges, marked so.

    Raises
    ------
    NetworkError
        Where the network does not fit the data, or has nothing to train.
    DataError
        Where a class has too few images to be split.
    RecipeError
        Where the seed is out of range, or the recipe names another teacher or original, or there is one and it names none.
    ModelError
        Where `state` and `history` do not belong to each other, the network or the recipe; or the teacher cannot teach on these images.
    Cancelled
        Where `cancel` was set.
    """
    split = Split() if split is None else split
    if not 0 <= seed < 2**63:
        raise RecipeError(f"`seed` (={seed}) must be a whole number from 0 to 2^63 - 1")
    _check_fit(net, dataset)
    check_given(recipe, teacher, original)
    lines = list(history)
    inherited = None if original is None else original.weights_of(net)
    state = State.start(net, recipe, seed, inherited) if state is None else state.copy()
    if state.best is None and not recipe.restore_best_weights:
        state.best = best_of(lines)
    _check_state(state, lines, net, recipe)
    split = dataset.resolved(split)
    train, validation = dataset.parts(split)
    # Inherited weights have learnt from images that were scaled so.
    scaling = _scaling_for(recipe, dataset, split, train) if original is None or inherited is None else original.model.scaling
    class_weights = class_weights_for(recipe, dataset.labels, train, len(dataset.classes))
    count = threads_available() if threads is None else threads
    lessons = None if teacher is None else teacher.lessons(recipe, dataset, train, threads=count, engine=engine, cancel=cancel)
    runner = make_engine(net, recipe, scaling, count, engine, class_weights, lessons)
    watched = _Watched(runner, net, dataset, validation, cancel)

    def keep(line: Epoch, state: State) -> None:
        lines.append(line)
        if on_epoch is not None:
            on_epoch(line, state)

    if not (lines and lines[-1].diverged):
        fitted = dataset.images, dataset.labels, train, None
        state = fit(runner, net, recipe, *fitted, seed, state, keep, cancel, measure=watched if len(validation) else None)
    weights, _ = handed_over(recipe, state, any(line.diverged for line in lines))
    extra = penalty(net, weights)
    logits = watched.logits(weights) if len(validation) else np.zeros((0, net.classes), np.float32)
    loss, accuracy = loss_and_accuracy(logits, dataset.labels[validation])
    measured = np.isfinite(loss) or not len(validation)
    held = np.arange(len(dataset.test_images))
    test_loss, test_accuracy = math.nan, math.nan
    if test and len(held):
        test_loss, test_accuracy = loss_and_accuracy(runner.logits(weights, dataset.test_images, held, cancel), dataset.test_labels)
    return Outcome(
        net=net,
        recipe=recipe,
        split=split,
        seed=seed,
        state=state,
        history=tuple(lines),
        scaling=scaling,
        val_loss=loss + extra,
        val_accuracy=accuracy,
        validation_predictions=np.nan_to_num(logits, nan=-np.inf).argmax(axis=1).astype(np.uint16),
        test_loss=test_loss + extra,
        test_accuracy=test_accuracy,
        seconds=sum(line.seconds for line in lines),
        diverged=any(line.diverged for line in lines) or not (measured and np.isfinite(state.weights).all()),
        teacher=None if teacher is None else teacher.facts,
        dependence="" if teacher is None else teacher.facts.doubt(dataset.fingerprint, validation_mark(validation)),
    )


#: Of each data set the scalings by recipe setting and split: to count the values of all pixels takes as long as a short training does.
_scalings: WeakKeyDictionary[Dataset, dict[tuple[str, Split], Scaling]] = WeakKeyDictionary()


def _scaling_for(recipe: Recipe, dataset: Dataset, split: Split, train: NDArray[np.int64]) -> Scaling:
    known = _scalings.setdefault(dataset, {})
    key = recipe.scaling, split
    if key not in known:
        known[key] = scaling_for(recipe, dataset.images, train)
    return known[key]


class _Watched:
    """Measures the validation images after each epoch, and keeps what was predicted last: mostly by the weights that are handed over."""

    def __init__(self, runner: Engine, net: Net, dataset: Dataset, validation: NDArray[np.int64], cancel: CancelFlag | None) -> None:
        self._runner, self._net, self._dataset, self._validation, self._cancel = runner, net, dataset, validation, cancel
        self._last: tuple[NDArray[np.float32], NDArray[np.float32]] | None = None

    def logits(self, weights: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the logits of the images, shape (N, classes)."""
        if self._last is None or not np.array_equal(self._last[0], weights):
            logits = self._runner.logits(weights, self._dataset.images, self._validation, self._cancel)
            self._last = weights.copy(), logits
        return self._last[1]

    def __call__(self, weights: NDArray[np.float32]) -> tuple[float, float]:
        """Return loss, with penalties, and accuracy."""
        loss, accuracy = loss_and_accuracy(self.logits(weights), self._dataset.labels[self._validation])
        return loss + penalty(self._net, weights), accuracy


def check_given(recipe: Recipe, teacher: Teacher | None, original: Original | None = None) -> None:
    """Raise `RecipeError` where the teacher, or what networks are cut from, is not the one that a recipe names."""
    given = None if teacher is None else teacher.facts.fingerprint
    if given != recipe.teacher:
        raise RecipeError(
            f"the recipe names {f'the teacher {recipe.teacher}' if recipe.teacher else 'no teacher'}, but "
            f"{f'{given} is' if given else 'none is'} given: give the network as `teacher`, or leave it out of the recipe",
            "teacher",
        )
    cut_from = None if original is None else original.fingerprint
    if cut_from != recipe.cut_from:
        raise RecipeError(
            f"`cut_from` (={recipe.cut_from}) of the recipe is not the network that is given ({cut_from or 'none'}): leave it out; "
            f"`issun.search` sets it, where its `start` is a trained network",
            "cut_from",
        )


def _check_fit(net: Net, dataset: Dataset) -> None:
    if net.input != dataset.input:
        raise NetworkError(f"the network takes {shape_text(net.input)} images, but those of {dataset.name} are {shape_text(dataset.input)}")
    if net.classes != len(dataset.classes):
        raise NetworkError(f"the network has {net.classes} classes, but {dataset.name} has {len(dataset.classes)}")
    if net.trainable_params == 0:
        raise NetworkError(f"`{net}` has nothing to train: move a layer with weights out of `frozen (…)`, usually the last `dense`")


def _check_state(state: State, history: list[Epoch], net: Net, recipe: Recipe) -> None:
    check_average(recipe, state.average, net.stored)
    weights, moments = (net.stored,), (SLOTS[recipe.optimizer], net.stored)
    if state.weights.shape != weights or state.moments.shape != moments:
        raise ModelError(
            f"a stored state with weights of shape {state.weights.shape} and moments of shape {state.moments.shape} does not match "
            f"`{net}` trained with {recipe.optimizer}, which needs {weights} and {moments}; start without it"
        )
    if state.epoch > recipe.epochs or [line.epoch for line in history] != list(range(1, state.epoch + 1)):
        raise ModelError(
            f"a stored state after epoch {state.epoch} needs a history of {state.epoch} lines and a recipe of at least as many epochs, but "
            f"there are {len(history)} lines and {recipe.epochs} epochs; start without it"
        )
    best, found = state.best, best_of(history)
    if (best and best.epoch) != (found and found.epoch) or (best and recipe.restore_best_weights and best.weights is None):
        raise ModelError(
            f"a stored state whose best epoch is {best.epoch if best else 'not known'} does not match this history, whose best epoch is "
            f"{found.epoch if found else 'none'}, or lacks the weights of that epoch; start without it"
        )
