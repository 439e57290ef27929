"""`ConvFeatures`: a layer of a network as a scikit-learn transformer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from issun.arch.layers import shape_text
from issun.engine import scaling_for
from issun.errors import EstimatorError
from issun.extraction import Extractor, Patches, make_extractor, trained_extractor
from issun.extraction.making import Weights
from issun.model import Model
from issun.old_names import old_attribute, old_keywords
from issun.recipe import USUAL_SCALING, InputScaling, Recipe
from issun.sklearn.images import TakesImages, errors_of


class ConvFeatures(ClassNamePrefixFeaturesOutMixin, TransformerMixin, TakesImages):  # type: ignore[misc]
    """Features of images from a convolutional network, whose weights `fit` does not train.

    Parameters
    ----------
    network : str
        In issun's notation; a classifier at its end may be left out.
    weights : {"patches", "kmeans", "pca", "random", "he", "orthogonal"} or Model
        Where the weights come from, see `issun.extraction.make_extractor`. A trained `Model` (from a file, or a study's `Study.model`)
        has its own network, and `network` is ignored. Labels are never used.
    layer : int or str, optional
        The layer whose output is used: its number, or the beginning of its text; by default the input of the classifier.
    pre_activation : bool
        Whether to take features before the layer's activation.
    knobs : mapping of str to int, optional
        Values of the knobs where `network` is a family.
    whitening, threshold, centred, two_sided : float, float, bool, bool
        How filters are taken from patches, see `issun.extraction.Patches`.
    scaling : {"unit", "raw", "standard"}
        How pixels from 0 to 255 become the network's input, see `Recipe`; a `Model` has its own.
    image_shape : tuple of int, optional
        ``(height, width)`` or ``(height, width, channels)`` of flattened images. By default the nearest shape to a square with one
        channel that the network accepts, if need be a single row of pixels.
    random_state : int, RandomState or None
    threads : int, optional
        By default one for each core. The features do not depend on it, bit for bit.

    Attributes
    ----------
    extractor_ : issun.extraction.Extractor
    image_shape_ : tuple of int
        ``(height, width, channels)``.
    range_ : tuple of float
        The values that become 0 and 255. The engine takes uint8: uint8 and whole numbers from 0 to 255 are unchanged; values
        from 0 to 1 are multiplied by 255 and rounded; any other range is scaled from the minimum and maximum seen in `fit`, and
        later values outside are clipped.
    n_features_in_, feature_names_in_
        As in scikit-learn; pixels are counted flattened.

    Notes
    -----
    All features are held in memory at once; where they would not fit, an error reports their size.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklearn.linear_model import RidgeClassifier
    >>> from sklearn.pipeline import make_pipeline
    >>> from issun import ConvFeatures
    >>> X, y = load_digits(return_X_y=True)
    >>> pipeline = make_pipeline(ConvFeatures("conv 32, avgpool 3", random_state=0), RidgeClassifier())
    >>> bool(pipeline.fit(X[:1400], y[:1400]).score(X[1400:], y[1400:]) > 0.9)
    True
    """

    before = old_attribute("before", "pre_activation")

    @old_keywords(before="pre_activation")
    def __init__(
        self,
        network: str = "conv 32 same, avgpool same",
        *,
        weights: Weights | Model = "patches",
        layer: int | str | None = None,
        pre_activation: bool = False,
        knobs: Mapping[str, int] | None = None,
        whitening: float = Patches.whitening,
        threshold: float = Patches.threshold,
        centred: bool = Patches.centred,
        two_sided: bool = Patches.two_sided,
        scaling: InputScaling = USUAL_SCALING,
        image_shape: tuple[int, ...] | None = None,
        random_state: Any = None,
        threads: int | None = None,
    ) -> None:
        self.network = network
        self.weights = weights
        self.layer = layer
        self.pre_activation = pre_activation
        self.knobs = knobs
        self.whitening = whitening
        self.threshold = threshold
        self.centred = centred
        self.two_sided = two_sided
        self.scaling = scaling
        self.image_shape = image_shape
        self.random_state = random_state
        self.threads = threads

    def fit(self, X: ArrayLike, y: Any = None) -> ConvFeatures:
        """Make the extractor.

        Parameters
        ----------
        X : array-like, shape (N, height, width), (N, height, width, channels) or (N, values)
            Images; random weights depend only on their shape and range.
        y : ignored

        Raises
        ------
        EstimatorError
            Where the parameters or the images cannot be used; it is also a ValueError.
        """
        rows = self._rows(X, reset=True)
        with errors_of(self):
            self.extractor_ = self._extractor(rows)
        self._n_features_out = self.extractor_.size
        return self

    def _extractor(self, rows: NDArray[Any]) -> Extractor:
        if isinstance(self.weights, Model):
            net = self.weights.net
            if (self._wanted_shape(self.n_features_in_) or net.input) != net.input or int(np.prod(net.input)) != self.n_features_in_:
                raise EstimatorError(f"the model takes images of {shape_text(net.input)}, but X has rows of {self.n_features_in_} values")
            self.image_shape_ = net.input
            return trained_extractor(self.weights, self.layer, self.pre_activation)
        net = self._fitted_net(self.network, self.knobs, 2, complete=True)
        images = self._images(rows)
        scaling = scaling_for(Recipe(scaling=self.scaling), images, np.arange(len(images)))
        patches = Patches(whitening=self.whitening, threshold=self.threshold, centred=self.centred, two_sided=self.two_sided)
        return make_extractor(
            net, self.weights, images, scaling, seed=self._seed(), layer=self.layer, pre_activation=self.pre_activation, patches=patches
        )

    def transform(self, X: ArrayLike) -> NDArray[np.float32]:
        """Return the features, float32 of shape (N, features), those of an image in the order height, width, channel."""
        check_is_fitted(self)
        rows = self._rows(X, reset=False)
        with errors_of(self):
            return self.extractor_.features(self._images(rows), self._threads())

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        tags.transformer_tags.preserves_dtype = []  # features are float32, whatever comes in
        return tags
