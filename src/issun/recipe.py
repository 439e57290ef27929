"""`Recipe`: how a network is trained. Validated, frozen, and complete: nothing about training is decided elsewhere.

The optimizers, written down once (w weight, g gradient of the mean loss of the batch plus the penalties, r learning rate, t step
counted from 1). They follow Keras 3, whose settings the published studies used; PyTorch places epsilon differently.

    sgd       m = momentum m - r g;  w += m                                              (Polyak 1964)
              with `nesterov` instead w += momentum m - r g, with the new m              (Nesterov 1983; Sutskever et al. 2013)
    adam      m = beta_1 m + (1 - beta_1) g;  v = beta_2 v + (1 - beta_2) g²             (Kingma & Ba 2015, end of section 2)
              w -= r sqrt(1 - beta_2^t) / (1 - beta_1^t) · m / (sqrt(v) + epsilon)
    adamw     adam with a `weight_decay` of 0.01 unless another is given                 (Loshchilov & Hutter 2019)
    rmsprop   v = rho v + (1 - rho) g²;  w -= r g / sqrt(v + epsilon)                    (Tieleman & Hinton 2012)
    adadelta  v = rho v + (1 - rho) g²;  d = g sqrt(u + epsilon) / sqrt(v + epsilon)     (Zeiler 2012)
              u = rho u + (1 - rho) d²;  w -= r d

Around every one of them, in this order:

    clip_norm     where |g|, the Euclidean norm over all trained weights, penalties included, is above it: g *= clip_norm / |g|
                                                                                         (Pascanu, Mikolov & Bengio 2013)
    weight_decay  w -= r weight_decay w, before the step, for kernels alone: not for biases, for factors and shifts of normalisation
                  or `scale`, nor for learned slopes                                     (Loshchilov & Hutter 2019; scaled by the rate
                                                                                         of the step, as PyTorch does)
    ema_decay     a += (1 - ema_decay) / (1 - ema_decay^t) (w - a), after the step: the exponential moving average of the weights
                  after each step so far, the start of it corrected as Adam corrects its moments. Every weight is averaged, running
                  statistics of normalisation too; a is what is measured on validation and handed over.

The loss of an image of class y, with K classes, logits z and p = softmax(z):

    weight(y) Σ_c target(c) (-log p(c)),  target(c) = (1 - label_smoothing) [c = y] + label_smoothing / K     (Szegedy et al. 2016)

Where there is a `teacher`, a trained network whose probabilities at `temperature` T are t = softmax(its logits / T), the loss is

    weight(y) ((1 - share) Σ_c target(c) (-log p(c)) + share T² Σ_c t(c) (-log q(c))),  q = softmax(z / T)   (Hinton, Vinyals & Dean 2015)

The factor T² keeps the size of the teacher's part of the gradient when T changes. Both parts are cross-entropies; PyTorch's `kl_div` is
the second without the entropy of t, which has no gradient. `issun.engine.lessons` says how images are shown to the teacher.

The loss of a batch is its mean over the images, plus the penalties. Class weights do not change what it is divided by (as in Keras;
PyTorch divides by the sum of the weights, by which a batch of one image would not feel them). `balanced` gives class c the weight
images / (K · images of c), as scikit-learn does, measured on the training part: 1 on the average. The training loss in a history is
this one; the validation loss is always the plain cross-entropy plus the penalties, so that recipes can be compared.

The schedules are in `issun.schedules`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal, NamedTuple, Self, TypedDict, Unpack

import numpy as np
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    PlainSerializer,
    PlainValidator,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic_core import to_json

from issun.arch.layers import Initializer
from issun.augmentation import Augmentation
from issun.errors import RecipeError
from issun.old_names import old_attribute, warn_of
from issun.schedules import Schedule, rates

Optimizer = Literal["sgd", "adam", "rmsprop", "adadelta", "adamw"]
InputScaling = Literal["unit", "raw", "standard"]
Fraction = Annotated[float, Field(gt=0, lt=1)]

#: Learning rates where none is given. Adam's is issun's own (see `docs/recipe.md`), the others are those of Keras 2.
LEARNING_RATES: dict[str, float] = {"sgd": 0.01, "adam": 0.005, "rmsprop": 0.001, "adadelta": 1.0, "adamw": 0.005}
#: Of the default recipe for given images (`Recipe.for_images`), and of untrained networks that features are taken from: chosen on
#: validation by `benchmarks/default_recipe.py`, shown in docs/recipe.md. The class keeps its first defaults, so that a stored recipe, which
#: leaves later settings out where they are at those, stays what it was.
USUAL_SCALING: InputScaling = "standard"
#: The same, with the usual schedule.
USUAL_WARMUP = 0.1

#: The word for no augmentation, where there would be one otherwise.
NO_AUGMENTATION = "none"

#: Of a recipe with a teacher that does not say it otherwise: the temperature, the teacher's share of the loss, and with augmentation the
#: views of an image.
USUAL_TEMPERATURE, USUAL_SHARE, USUAL_VIEWS = 4.0, 0.9, 8

#: The most views of an image: their probabilities are all held in memory.
LARGEST_VIEWS = 1024

#: How a teacher is told from others: 16 hexadecimal digits over its weights.
FINGERPRINT = r"[0-9a-f]{16}"

#: The settings that have a meaning with a teacher only.
OF_TEACHER = ("temperature", "share", "views")

#: Settings that studies, models and what identifies a recipe know by another name; those names, and what stands under them, never change.
STORED_NAMES = {
    "reduce_at": "drop_at",
    "reduce_every": "drop_every",
    "reduce_factor": "drop_factor",
    "class_weight": "class_weights",
    "ema_decay": "average",
    "restore_best_weights": "keep",
}
_NAMES = {stored: name for name, stored in STORED_NAMES.items()}
_KEEP = {"last": False, "best": True}

#: Settings whose values in `Recipe.for_images` have changed since the first version.
CHANGED_DEFAULTS = ("scaling", "warmup")

#: The settings of the first version: what identifies a recipe names them always, all others only where they differ from their defaults.
FIRST_SETTINGS = (
    *("scaling", "initializer", "optimizer", "learning_rate", "schedule", "batch_size", "epochs"),
    *("momentum", "beta_1", "beta_2", "rho", "epsilon"),
)


class _RuleError(ValueError):
    """What pydantic is told where settings do not fit each other."""

    def __init__(self, setting: str, problem: str) -> None:
        self.setting = setting
        super().__init__(f"`{setting}` {problem}")


def named_settings(settings: Mapping[str, Any], warn: int = 0) -> dict[str, Any]:
    """Return settings, stored ones or those of an older version, by the names that they have now.

    Where `warn` is above 0, old names are deprecated: it is the level of the stack that is told so, as `warnings.warn` counts from here.

    Raises
    ------
    RecipeError
        Where one is given by both of its names.
    """
    found: dict[str, Any] = {}
    for given, value in settings.items():
        name = _NAMES.get(given, given)
        if name in found or (name != given and name in settings):
            raise RecipeError(f"`{given}` is the old name of `{name}`: give `{name}` alone", name)
        if warn and name != given:
            warn_of(given, name, stacklevel=warn)
        found[name] = _KEEP.get(value, value) if given == "keep" and isinstance(value, str) else value
    return found


def _augmentation(value: object) -> Augmentation | None:
    if isinstance(value, str) and value.strip() == NO_AUGMENTATION:
        return None
    try:
        return Augmentation.of(value)
    except RecipeError as error:
        raise RecipeError(str(error), "augment") from None


class Distillation(NamedTuple):
    """How a network is trained on a teacher's probabilities.

    Attributes
    ----------
    teacher : str
        Fingerprint of the teacher's weights.
    temperature : float
        By which the logits of both are divided.
    share : float
        The teacher's share of the loss.
    views : int, "loop" or None
        How many changed copies of each image the teacher sees; or all that training sees; None where images are not changed.
    """

    teacher: str
    temperature: float
    share: float
    views: int | Literal["loop"] | None


class RecipeOptions(TypedDict, total=False):
    """Settings of a `Recipe` that functions take by name, as commands have options for them; left out, or None, where not given."""

    epochs: int | None
    learning_rate: float | None
    batch_size: int | None
    optimizer: str | None
    schedule: str | None
    warmup: float | None
    weight_decay: float | None
    clip_norm: float | None
    label_smoothing: float | None
    ema_decay: float | None
    patience: int | None
    restore_best_weights: bool | None
    scaling: str | None
    initializer: str | None
    augment: Augmentation | str | None
    teacher: Any
    temperature: float | None
    share: float | None
    views: int | str | None


class Recipe(BaseModel):
    """How to train a network.

    Parameters
    ----------
    scaling : {"unit", "raw", "standard"}
        How uint8 images become float32: divided by 255, as they are, or by the training images' mean and standard deviation per
        channel. `for_images` takes `USUAL_SCALING`.
    initializer : {"glorot", "he", "orthogonal"}
        Used by layers without an initializer of their own. Biases start at zero.
    optimizer : {"adam", "adamw", "sgd", "rmsprop", "adadelta"}
        The module's docstring gives the formulas.
    learning_rate : float
        Above 0. Default: 0.005 for adam and adamw, 0.01 for sgd, 0.001 for rmsprop, 1.0 for adadelta.
    schedule : {"cosine", "constant", "linear", "step", "one-cycle"}
        How the rate changes from step to step; `issun.schedules` has the formulas.
    batch_size, epochs : int
        Images per step, from 1 to 65,536; passes over the training images, at least 1.
    steps_per_epoch : int, optional
        An epoch ends after so many steps: it is on that many batches of images, drawn anew each time. Default: all images.
    momentum : float
        Of sgd, 0 <= momentum < 1.
    beta_1, beta_2 : float
        Of adam.
    rho : float, optional
        Of rmsprop (default 0.9) and adadelta (default 0.95).
    epsilon : float
        Of adam, rmsprop and adadelta.
    nesterov : bool
        Of sgd: look ahead along the momentum.
    weight_decay : float
        At least 0, with every optimizer, applied to kernels only. Default: 0, and 0.01 for adamw.
    clip_norm : float, optional
        Above 0: the maximum norm of the whole gradient.
    warmup : float
        Fraction of all steps in which the rate rises, 0 <= warmup < 1. Default: 0, and 0.3 for one-cycle; `for_images` begins its own
        schedule with `USUAL_WARMUP`.
    reduce_at : tuple of float
        For the step schedule: fractions of the training, ascending, at which the rate falls.
    reduce_every : int, optional
        For the step schedule: the rate falls each time after this many epochs, in place of `reduce_at`.
    reduce_factor : float
        For the step schedule: the factor by which the rate falls; above 0, at most 1.
    label_smoothing : float
        Fraction of the target that is spread over all classes, 0 <= label_smoothing < 1.
    class_weight : "balanced" or tuple of float, optional
        Weight of each class, in the order of the classes.
    ema_decay : float
        Decay of the exponential moving average of the weights, 0 <= ema_decay < 1, usually 0.99 to 0.9999; 0 disables it.
    patience : int, optional
        Stop after this many epochs in a row without improvement. An epoch is better when its validation accuracy is higher,
        or equal with a lower validation loss.
    restore_best_weights : bool
        Whether the weights after the best epoch, judged as for `patience`, are handed over in place of those after the last one.
    augment : Augmentation or str, optional
        Random changes of the training images in every epoch; see `issun.augmentation`. ``"none"`` is the same as None.
    teacher : str, optional
        Fingerprint of a trained network whose probabilities are learnt beside the labels; `issun.train` and `issun.sweep` take the network
        itself.
    temperature : float, optional
        With a teacher: what the logits of both are divided by, from 0.01 to 100. Default: `USUAL_TEMPERATURE`.
    share : float, optional
        With a teacher: its share of the loss, from 0 to 1; the rest is that of the labels. Default: `USUAL_SHARE`.
    views : int or "loop", optional
        With a teacher and augmentation: how many fixed changed copies of each image there are, which the teacher sees once; or ``"loop"``
        (also 0): every epoch changes images anew, and the teacher sees each of them. Default: `USUAL_VIEWS`.
    cut_from : str, optional
        Fingerprint of a trained network: a network that is this one with fewer channels begins with its weights, see `issun.cutting`.
        `issun.search` sets it, where it starts from a trained network.

    Raises
    ------
    RecipeError
        Where a setting is invalid; the message names the setting, the rule and the value.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    scaling: InputScaling = "unit"
    initializer: Initializer = "glorot"
    optimizer: Optimizer = "adam"
    learning_rate: float = Field(default_factory=lambda data: LEARNING_RATES.get(data.get("optimizer", "adam"), 0.001), gt=0)
    schedule: Schedule = "cosine"
    batch_size: int = Field(128, ge=1, le=65536)
    epochs: int = Field(12, ge=1, le=1_000_000)
    steps_per_epoch: int | None = Field(None, ge=1)
    momentum: float = Field(0.9, ge=0, lt=1)
    beta_1: float = Field(0.9, ge=0, lt=1)
    beta_2: float = Field(0.999, ge=0, lt=1)
    rho: float = Field(default_factory=lambda data: 0.95 if data.get("optimizer") == "adadelta" else 0.9, ge=0, lt=1)
    epsilon: float = Field(1e-7, gt=0)
    nesterov: bool = False
    weight_decay: float = Field(default_factory=lambda data: 0.01 if data.get("optimizer") == "adamw" else 0.0, ge=0)
    clip_norm: float | None = Field(None, gt=0)
    warmup: float = Field(default_factory=lambda data: 0.3 if data.get("schedule") == "one-cycle" else 0.0, ge=0, lt=1)
    reduce_at: tuple[Fraction, ...] = (0.5, 0.75)
    reduce_every: int | None = Field(None, ge=1)
    reduce_factor: float = Field(0.1, gt=0, le=1)
    label_smoothing: float = Field(0.0, ge=0, lt=1)
    class_weight: Literal["balanced"] | tuple[Annotated[float, Field(ge=0)], ...] | None = None
    ema_decay: float = Field(0.0, ge=0, lt=1)
    patience: int | None = Field(None, ge=1)
    restore_best_weights: bool = False
    augment: Annotated[Augmentation, PlainValidator(_augmentation), PlainSerializer(str, return_type=str)] | None = None
    teacher: str | None = None
    temperature: float | None = Field(None, ge=0.01, le=100, validate_default=True)
    share: float | None = Field(None, ge=0, le=1, validate_default=True)
    views: int | Literal["loop"] | None = Field(None, validate_default=True)
    cut_from: str | None = Field(None, pattern=f"^{FINGERPRINT}$")

    drop_at = old_attribute("drop_at", "reduce_at")
    drop_every = old_attribute("drop_every", "reduce_every")
    drop_factor = old_attribute("drop_factor", "reduce_factor")
    class_weights = old_attribute("class_weights", "class_weight")
    average = old_attribute("average", "ema_decay")
    keep = old_attribute("keep", "restore_best_weights", lambda recipe: "best" if recipe.restore_best_weights else "last")

    def __init__(self, **settings: Any) -> None:
        settings = named_settings(settings, warn=3)
        try:
            super().__init__(**settings)
        except ValidationError as error:
            first = error.errors()[0]
            # A tuple's place and a union's kind follow the setting's name; they say nothing to whoever gave it.
            name = str(first["loc"][0]) if first["loc"] else "recipe"
            if first["type"] == "extra_forbidden":
                known = ", ".join(type(self).model_fields)
                raise RecipeError(f"`{name}` is not a setting of a recipe; the settings are {known}", name) from None
            if first["type"] == "value_error" and isinstance(rule := first["ctx"]["error"], _RuleError):
                raise RecipeError(str(rule), rule.setting) from None
            if name == "views":
                raise RecipeError(
                    f"`views` (={settings[name]!r}): must be a whole number from 1 to {LARGEST_VIEWS:,}, or `loop`", name
                ) from None
            if name == "class_weight":
                raise RecipeError(
                    f"`class_weight` (={settings[name]!r}): must be `balanced` or one number of at least 0 for each class", name
                ) from None
            message = first["msg"][0].lower() + first["msg"][1:]
            raise RecipeError(f"`{name}` (={first['input']!r}): {message}", name) from None

    @field_validator(*OF_TEACHER)
    @classmethod
    def _with_teacher(cls, value: Any, info: ValidationInfo) -> Any:
        """Return a setting as it is, or where there is a teacher its usual value in place of None."""
        usual = {"temperature": USUAL_TEMPERATURE, "share": USUAL_SHARE, "views": USUAL_VIEWS if info.data.get("augment") else None}
        if info.field_name == "views" and isinstance(value, int):
            if not 0 <= value <= LARGEST_VIEWS:
                raise ValueError
            value = value or "loop"
        return usual[str(info.field_name)] if value is None and info.data.get("teacher") is not None else value

    @model_validator(mode="after")
    def _fit_each_other(self) -> Self:
        if list(self.reduce_at) != sorted(set(self.reduce_at)):
            raise _RuleError("reduce_at", f"(={self.reduce_at!r}): must be different fractions in ascending order")
        if self.nesterov and (self.optimizer != "sgd" or self.momentum == 0):
            raise _RuleError(
                "nesterov", f"(=True): requires sgd with a momentum above 0, not {self.optimizer} with {self.momentum:g}; leave it out"
            )
        if self.teacher is not None and not re.fullmatch(FINGERPRINT, self.teacher):
            raise _RuleError(
                "teacher",
                f"(={self.teacher!r}): must be 16 hexadecimal digits, the fingerprint of its weights; `issun.train` and `issun.sweep` take "
                f"the teacher itself",
            )
        for name in OF_TEACHER:
            if self.teacher is None and (value := getattr(self, name)) is not None:
                raise _RuleError(name, f"(={value!r}): requires a teacher; give `teacher`, or leave it out")
        if self.views is not None and self.augment is None:
            raise _RuleError(
                "views",
                f"(={self.views!r}): requires augmentation; without it a teacher sees each image once: leave it out, or give `augment`",
            )
        if isinstance(self.class_weight, tuple) and not any(self.class_weight):
            raise _RuleError("class_weight", f"(={self.class_weight!r}): at least one must be above 0")
        return self

    @classmethod
    def for_images(cls, images: int, **settings: Any) -> Recipe:
        """Return the default recipe for a training set of `images` images, with `settings` overriding the defaults.

        Small sets get small batches and more epochs, so that every network sees a few thousand steps. Images are scaled by the mean and
        deviation of the training images. The default schedule begins with a warm-up; an explicit schedule is used unchanged.
        """
        given = {name: value for name, value in settings.items() if value is not None}
        batch = 32 if images < 5_000 else 64 if images < 20_000 else 128
        epochs = min(60, max(12, math.ceil(60_000 / max(1, images))))
        warmup = {} if "schedule" in given else {"warmup": USUAL_WARMUP}
        return cls(**({"scaling": USUAL_SCALING, "batch_size": batch, "epochs": epochs} | warmup | given))

    @classmethod
    def wanted(cls, recipe: Recipe | Mapping[str, Any] | None, images: int, **options: Unpack[RecipeOptions]) -> Recipe:
        """Return a recipe, or where single settings or none are given the default one with these, with `options` in place of its own."""
        given = {name: value for name, value in options.items() if value is not None}
        if isinstance(recipe, Recipe):
            return cls(**recipe.model_dump() | given)
        return cls.for_images(images, **{**named_settings(recipe or {}, warn=3), **given})

    @property
    def distillation(self) -> Distillation | None:
        """How a teacher is used; None where there is none."""
        if self.teacher is None or self.temperature is None or self.share is None:
            return None
        return Distillation(self.teacher, self.temperature, self.share, self.views)

    def without_teacher(self) -> Recipe:
        """Return the recipe with the labels alone."""
        return type(self)(**self.model_dump() | dict.fromkeys(("teacher", *OF_TEACHER)))

    def steps(self, images: int) -> int:
        """Return how many steps one epoch takes where there are `images` images to train on (the last batch may be smaller)."""
        steps = -(-images // self.batch_size)
        return steps if self.steps_per_epoch is None else min(steps, self.steps_per_epoch)

    def seen(self, images: int) -> int:
        """Return how many images all epochs are on, where there are `images` to train on."""
        return self.epochs * min(images, self.steps(images) * self.batch_size)

    def learning_rates(self, epoch: int, images: int) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
        """Return the learning rate of each step of `epoch` (counted from 0), shape (steps,), float64."""
        steps = self.steps(images)
        total = self.epochs * steps
        every = self.reduce_every
        falls = np.ceil(np.array(self.reduce_at, np.float64) * total - 1e-9)
        if every:
            falls = np.arange(every, self.epochs, every).astype(np.float64) * steps
        now = epoch * steps + np.arange(steps)
        return rates(self.schedule, self.learning_rate, now, total, warmup=self.warmup, falls=falls, factor=self.reduce_factor)

    def identity(self) -> dict[str, Any]:
        """Return the settings that identify the recipe, as plain values, without newer settings that have their defaults.

        A recipe of an older issun therefore keeps its identity. `of_stored` restores the recipe.
        """
        settings = self.model_dump(mode="json")
        first = {name: settings[name] for name in FIRST_SETTINGS}
        usual = type(self)(**first).model_dump(mode="json")
        kept = {name: value for name, value in settings.items() if name in first or value != usual[name]}
        if "restore_best_weights" in kept:
            kept["restore_best_weights"] = "best" if self.restore_best_weights else "last"
        return {STORED_NAMES.get(name, name): value for name, value in kept.items()}

    def stored_json(self) -> str:
        """Return all settings as JSON, as a model keeps them; those of a teacher where there is none, and the number of steps and what it
        is cut from where they are not set, are left out, as before there were any."""
        later = {"teacher", *OF_TEACHER} if self.teacher is None else set()
        later |= {name for name in ("steps_per_epoch", "cut_from") if getattr(self, name) is None}
        settings = self.model_dump(mode="json", exclude=later)
        settings["restore_best_weights"] = "best" if self.restore_best_weights else "last"
        return to_json({STORED_NAMES.get(name, name): value for name, value in settings.items()}).decode()

    @classmethod
    def of_stored(cls, settings: Mapping[str, Any]) -> Self:
        """Return the recipe that `identity` gave, or that a study or a model keeps."""
        return cls(**named_settings(dict(**settings)))
