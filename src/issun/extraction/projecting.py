"""Projection of features onto a plane."""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from issun.errors import HeadError
from issun.extraction.parts import checked_features, varying
from issun.extraction.workers import run_one

Method = Literal["pca", "tsne", "umap"]

#: The methods, as people write their names.
METHODS: dict[str, str] = {"pca": "PCA", "tsne": "t-SNE", "umap": "UMAP"}

#: What must be said of every such picture.
CAUTION = "illustrative: distances and sizes of groups mean little, figures come from heads"

#: Components that t-SNE and UMAP begin with: they take distances from these, which is quicker and less noisy.
_COMPONENTS = 50


def project(features: NDArray[np.float32], method: Method | str = "pca", *, seed: int = 0) -> NDArray[np.float32]:
    """Return features in two dimensions.

    Parameters
    ----------
    features : ndarray of float32, shape (images, features)
    method : {"pca", "tsne", "umap"}
        Principal components; van der Maaten & Hinton 2008; McInnes, Healy & Melville 2018 (needs the extra `umap`). The last two begin
        with the first 50 principal components.
    seed : int

    Returns
    -------
    ndarray of float32, shape (images, 2)

    Raises
    ------
    HeadError
        Where there is no such method, its package is missing, or the features say nothing.
    """
    features = checked_features(features, "`features`")
    if method not in METHODS:
        raise HeadError(f"`method` (={method!r}) must be one of {', '.join(METHODS)}")
    if len(features) < 5:
        raise HeadError(f"a projection needs at least 5 images, not {len(features)}")
    if not varying(features).any():
        raise HeadError("all features are constant: there is nothing to project; take another layer, or other weights")
    if method == "umap":
        check_umap()
    return run_one(lambda: _projected(features, method, seed))


class Components(NamedTuple):
    """Principal components of features.

    Attributes
    ----------
    values : ndarray of float, shape (images, components)
        Where each image lies along each component; of the features' dtype.
    share : ndarray of float, shape (components,)
        The part of the features' variance that each component has.
    """

    values: NDArray[np.floating]
    share: NDArray[np.floating]


def principal_components(features: NDArray[np.floating], count: int, *, seed: int = 0) -> Components:
    """Return the first principal components, at most `count`, no more than there are images and features.

    The sign of a component is arbitrary. Here, as in scikit-learn (`svd_flip`), the feature that weighs most in it has a positive weight.

    Parameters
    ----------
    features : ndarray of float, shape (images, features)
        Finite; some feature differs between images.
    count : int
    seed : int
        Of the randomized solver, which is used where few of many components are asked for.
    """
    from sklearn.decomposition import PCA

    count = min(count, *features.shape)
    solver = "randomized" if count < 0.8 * min(features.shape) else "full"
    found = PCA(count, svd_solver=solver, random_state=seed)
    return Components(found.fit_transform(features), found.explained_variance_ratio_)


def check_umap() -> None:
    """Raise `HeadError` where umap-learn is missing."""
    import importlib.util

    if importlib.util.find_spec("umap") is None:
        raise HeadError('UMAP needs the package umap-learn: pip install "issun[umap]", or take pca or tsne')


def _projected(features: NDArray[np.float32], method: str, seed: int) -> NDArray[np.float32]:
    found = principal_components(features, 2 if method == "pca" else _COMPONENTS, seed=seed).values
    if found.shape[1] == 1:  # one feature lies on a line, which both methods take as a plane
        found = np.column_stack([found, np.zeros_like(found)])
    if method != "pca":
        found = _tool(method, len(features), seed).fit_transform(found)
    plane = np.zeros((len(features), 2), np.float32)
    plane[:, : found.shape[1]] = found[:, :2]
    return plane


def _tool(method: str, images: int, seed: int) -> Any:
    if method == "tsne":
        from sklearn.manifold import TSNE

        return TSNE(perplexity=min(30.0, (images - 1) / 3), init="pca", random_state=seed)
    from umap import UMAP

    return UMAP(n_neighbors=min(15, images - 1), random_state=seed, n_jobs=1)
