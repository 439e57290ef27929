"""Images that are nearly the same: one picture scaled or compressed, two frames of one video.

Two images are compared as small grey pictures, without their brightness and contrast. What smoothing, sharpening or moving one of them by
part of a pixel explains is no difference; the rest of it, as a share of the picture's contrast, is their *distance*, from 0 to 1.

How near is near? Handwritten ones are nearer to each other than photographs of cats ever are, so the data itself says it: in each class,
pairs of images are drawn by chance, and near is what is a quarter of the distance that one pair in twenty falls below.
"""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

#: Sides of the pictures that are compared, and of those by which candidates are found; smaller images are compared as they are.
SIDE, COARSE = 16, 8

#: Near is this share of the distance that one pair in twenty (`NEAREST`) of a class falls below, within these limits.
SHARE, NEAREST, LEAST, MOST = 0.25, 0.05, 0.06, 0.25

#: Pairs nearer than this may be copies themselves, and say nothing about unrelated images.
_COPIES = 0.08

#: Pairs drawn in a class, in all, and how many a class needs to have a limit of its own.
_DRAWN, _DRAWN_ALL, _ENOUGH = 3000, 60_000, 200

#: How far apart candidates' coarse pictures may be (at least, and as a multiple of what is near), and how many an image has on average.
_COARSE_LEAST, _COARSE_FACTOR, _CANDIDATES = 0.16, 1.25, 30

#: Images with less contrast than so many of 255 levels (standard deviation) are blank; all blank images are alike.
_BLANK = 2.0

#: How many levels of 255 the colours of a copy may be off, beside what its distance allows.
_COLOUR_LEVELS = 3.0

#: Principal components by which tiles of images are compared first, images in a tile, pairs compared at a time.
_COMPONENTS, _TILE, _PAIRS = 24, 1024, 1024

_LUMINANCE = np.array([0.299, 0.587, 0.114], np.float32)

_Floats = NDArray[np.float32]


class Near(NamedTuple):
    """Pairs of images that are nearly the same.

    Attributes
    ----------
    first, second : ndarray of int64, shape (pairs,)
        Indices; the first is the smaller one. The nearest pair comes first.
    distance : ndarray of float32, shape (pairs,)
    """

    first: NDArray[np.int64]
    second: NDArray[np.int64]
    distance: _Floats


class _Pictures(NamedTuple):
    """Small pictures of all images: grey (N, height, width), contrast (N,), coarse grey (N, values), coarse colours (N, values)."""

    grey: _Floats
    contrast: _Floats
    coarse: _Floats
    colours: _Floats


def near_pairs(images: list[NDArray[np.uint8]], labels: NDArray[np.int32]) -> Near:
    """Find the pairs of images that are nearly the same; equal ones are among them.

    Time grows with the square of the number of images: 70,000 of 28x28 pixels take some seconds.

    Parameters
    ----------
    images : list of ndarray of uint8, each of shape (N, height, width, channels)
        Counted on from one array to the next.
    labels : ndarray of int32, shape (all images,)
        Pairs are drawn within each class; a pair of two classes must be near for both.

    Returns
    -------
    Near
    """
    with threadpool_limits(1):  # each of our own threads works on products too small to be shared
        pictures = _small(images)
        limits = _limits(pictures, labels)
        first, second = _candidates(pictures, float(limits.max()))
        distance = _distances(pictures, first, second)
    limit = np.minimum(limits[labels[first]], limits[labels[second]])
    near = (distance <= limit) & _same_colours(pictures, first, second, limit)
    first, second, distance = first[near], second[near], distance[near]
    order = np.lexsort((second, first, distance))
    return Near(first[order], second[order], distance[order])


def _small(images: list[NDArray[np.uint8]]) -> _Pictures:
    height, width, channels = images[0].shape[1:]
    weights = _LUMINANCE if channels == 3 else np.full(channels, 1 / channels, np.float32)
    fine = _means(height, min(SIDE, height)), _means(width, min(SIDE, width))
    coarse = _means(fine[0].shape[0], min(COARSE, height)), _means(fine[1].shape[0], min(COARSE, width))
    tiny = _means(fine[0].shape[0], min(COARSE // 2, height)), _means(fine[1].shape[0], min(COARSE // 2, width))
    block = max(1, 2**22 // (height * width * channels))
    parts = []
    for array in images:
        for start in range(0, len(array), block):
            small = _shrunk(array[start : start + block].astype(np.float32), *fine)
            grey = small @ weights
            colours = _shrunk(small - grey[..., None], *tiny) if channels > 1 else np.zeros((len(small), 0), np.float32)
            parts.append((grey, _shrunk(grey[..., None], *coarse).reshape(len(grey), -1), colours.reshape(len(grey), -1)))
    grey, rough, tints = (np.concatenate(part) for part in zip(*parts, strict=True))
    return _Pictures(grey, grey.reshape(len(grey), -1).std(1), _unit(rough), tints)


def _means(size: int, smaller: int) -> _Floats:
    """Return the matrix that makes `smaller` means of `size` values in a row, shape (smaller, size)."""
    edges = np.linspace(0, size, smaller + 1)
    starts = np.arange(size)
    shares = np.clip(np.minimum(edges[1:, None], starts + 1) - np.maximum(edges[:-1, None], starts), 0, None)
    return np.asarray(shares / shares.sum(1, keepdims=True), np.float32)


def _shrunk(images: _Floats, rows: _Floats, columns: _Floats) -> _Floats:
    """Return images (N, height, width, channels) as means of blocks."""
    across = np.tensordot(columns, images, (1, 2))  # (columns, N, height, channels)
    return np.ascontiguousarray(np.tensordot(rows, across, (1, 2)).transpose(2, 0, 1, 3))


def _unit(values: _Floats) -> _Floats:
    """Return rows of values without their mean, at length 1 (0 where there is nothing but the mean)."""
    centred = values - values.mean(1, keepdims=True)
    length = np.sqrt(np.einsum("ij,ij->i", centred, centred))[:, None]
    return np.asarray(np.divide(centred, length, out=np.zeros_like(centred), where=length > 1e-3), np.float32)


def _limits(pictures: _Pictures, labels: NDArray[np.int32]) -> _Floats:
    """Return how near is near in each class."""
    generator = np.random.default_rng(0)
    counts = np.bincount(labels)
    members = np.split(np.argsort(labels, kind="stable"), np.cumsum(counts)[:-1])
    drawn = max(_ENOUGH, min(_DRAWN, _DRAWN_ALL // len(counts)))
    found: list[_Floats] = []
    for places in members:
        pairs = generator.integers(len(places), size=(2, drawn)) if len(places) else np.zeros((2, 0), np.int64)
        first, second = places[pairs[:, pairs[0] != pairs[1]]]
        distances = _distances(pictures, first, second)
        found.append(distances[distances > _COPIES])
    everything = np.concatenate(found)
    shared = SHARE * np.quantile(everything, NEAREST) if len(everything) >= _ENOUGH else LEAST
    own = [
        SHARE * np.quantile(distances, NEAREST) if len(distances) and len(places) * (len(places) - 1) // 2 >= _ENOUGH else shared
        for distances, places in zip(found, members, strict=True)
    ]
    return np.clip(np.array(own, np.float32), LEAST, MOST)


def _candidates(pictures: _Pictures, most: float) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the pairs whose coarse pictures are alike, without blank images; the nearer ones where they would be too many."""
    shown = np.flatnonzero(pictures.contrast > _BLANK)
    if len(shown) < 2:
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    values = pictures.coarse[shown]
    _, vectors = np.linalg.eigh((values.T @ values).astype(np.float64))
    values = values @ vectors[:, ::-1].astype(np.float32)  # a rotation: distances stay, the first numbers hold most of them
    order = np.argsort(values[:, 0], kind="stable")
    values, shown = np.ascontiguousarray(values[order]), shown[order]
    limit = max(_COARSE_LEAST, _COARSE_FACTOR * most) ** 2
    sample = values[:: max(1, len(values) // 256)]
    squares = np.clip(2 - 2 * (sample @ values.T), 0, None).ravel()  # of the distances between some and all, themselves among them
    allowed = len(sample) * (1 + 2 * _CANDIDATES)
    if allowed < len(squares):
        limit = min(limit, max(float(np.partition(squares, allowed)[allowed]), LEAST**2))
    pairs = [np.sort(shown[pair], 0) for pair in _alike(values, limit)]
    if not pairs:
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    first, second = np.concatenate(pairs, 1)
    return first, second


def _alike(values: _Floats, limit: float) -> list[NDArray[np.int64]]:
    """Return the pairs (2, pairs), in parts, of rows whose squared distance is at most `limit`; rows are sorted by their first numbers."""
    head = np.ascontiguousarray(values[:, :_COMPONENTS])
    squares = np.einsum("ij,ij->i", head, head)
    reach = np.searchsorted(values[:, 0], values[:, 0] + np.sqrt(limit), "right")

    def beside(start: int) -> list[NDArray[np.int64]]:
        """Return the pairs whose first row is in one tile."""
        stop = min(start + _TILE, len(values))
        parts = []
        for other in range(start, int(reach[stop - 1]), _TILE):
            end = min(other + _TILE, len(values))
            products = head[start:stop] @ head[other:end].T
            products -= squares[other:end] / 2
            rows, columns = np.divmod(np.flatnonzero(products >= (squares[start:stop, None] - limit) / 2), end - other)
            pair = np.stack([rows + start, columns + other])
            pair = pair[:, pair[0] < pair[1]]
            for part in range(0, pair.shape[1], 8 * _PAIRS):
                some = pair[:, part : part + 8 * _PAIRS]
                difference = values[some[0]] - values[some[1]]
                parts.append(some[:, np.einsum("ij,ij->i", difference, difference) <= limit])
        return parts

    with ThreadPoolExecutor(_cores()) as pool:
        return [part for parts in pool.map(beside, range(0, len(values), _TILE)) for part in parts]


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _distances(pictures: _Pictures, first: NDArray[np.int64], second: NDArray[np.int64]) -> _Floats:
    """Return the distance of each pair: that of the one image from what can be made of the other, whichever way it is less."""
    found = np.empty(len(first), np.float32)

    def measure(start: int) -> None:
        some = slice(start, start + _PAIRS)
        one, other = pictures.grey[first[some]], pictures.grey[second[some]]
        found[some] = np.minimum(_unexplained(one, other), _unexplained(other, one))

    with ThreadPoolExecutor(_cores()) as pool:
        list(pool.map(measure, range(0, len(first), _PAIRS)))
    return found


def _unexplained(source: _Floats, target: _Floats) -> _Floats:
    """Return which share of each target's contrast is no combination of the source, its blur and its movements along both axes."""
    wanted = _unit(target.reshape(len(target), -1))
    padded = np.pad(source, ((0, 0), (1, 1), (1, 1)), mode="edge")
    up, down, left, right = padded[:, :-2, 1:-1], padded[:, 2:, 1:-1], padded[:, 1:-1, :-2], padded[:, 1:-1, 2:]
    basis: list[_Floats] = []
    left_over = np.ones(len(source), np.float32)
    for made in (source, up + down + left + right - 4 * source, down - up, right - left):
        direction = _unit(made.reshape(len(made), -1))
        for before in basis:
            direction -= np.einsum("ij,ij->i", direction, before)[:, None] * before
        length = np.sqrt(np.einsum("ij,ij->i", direction, direction))[:, None]
        direction = np.divide(direction, length, out=np.zeros_like(direction), where=length > 1e-2)
        along = np.einsum("ij,ij->i", direction, wanted)
        left_over -= np.square(along if basis else np.maximum(along, 0))  # a negative is another picture
        basis.append(direction)
    return np.sqrt(np.maximum(left_over, 0))


def _same_colours(pictures: _Pictures, first: NDArray[np.int64], second: NDArray[np.int64], limit: _Floats) -> NDArray[np.bool_]:
    """Return which pairs have the same colours, on average over large parts of the image."""
    if not pictures.colours.shape[1]:
        return np.ones(len(first), np.bool_)
    off = np.sqrt(np.square(pictures.colours[first] - pictures.colours[second]).mean(1))
    contrast = np.maximum(pictures.contrast[first], pictures.contrast[second])
    return np.asarray(off <= _COLOUR_LEVELS + limit * contrast)
