"""What a study shows and says beyond its tables: the methods of `Study` that make pictures, diagnoses and reports per class."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure

from issun.datasets.dataset import Dataset
from issun.plots.frontier import Size
from issun.plots.style import save_figure
from issun.study.diagnosis import Diagnosis
from issun.study.per_class import class_report, confused_pairs, confusion_matrix
from issun.study.pictures import Wanted, picture
from issun.study.reading import NetworkLike, Readable
from issun.study.remarks import diagnosis_of
from issun.study.remedies import Remedy, remedies


class Views:
    """Methods for whatever can be read as a study; `network` and `seed` mean everywhere what they mean in `Study.history`."""

    def diagnosis(self: Readable, network: NetworkLike | None = None, seed: int | None = None) -> Diagnosis:
        """Return what the learning curves of a trial say, and what to try next; see `issun.study.diagnosis.diagnose`."""
        return diagnosis_of(self, self.network(network), seed)

    def remedies(self: Readable) -> list[Remedy]:
        """Return what dropout, l1, l2, augmentation, early stopping and more epochs did, for networks held with them and without."""
        return remedies(self)

    def class_report(self: Readable, network: NetworkLike | None = None, seed: int | None = None) -> pd.DataFrame:
        """Return precision, recall, F1 and support of each class on validation; see `issun.study.per_class.class_report`."""
        said = self.predictions(network, seed)
        return class_report(confusion_matrix(said["label"], said["predicted"], len(self.classes)), self.classes)

    def confused(self: Readable, network: NetworkLike | None = None, seed: int | None = None, *, most: int = 10) -> pd.DataFrame:
        """Return the pairs of classes most confused on validation; see `issun.study.per_class.confused_pairs`."""
        said = self.predictions(network, seed)
        return confused_pairs(confusion_matrix(said["label"], said["predicted"], len(self.classes)), self.classes, most)

    def picture(
        self: Readable,
        kind: str,
        path: str | Path | None = None,
        *,
        network: NetworkLike | None = None,
        seed: int | None = None,
        x: str | None = None,
        y: str | None = None,
        size: Size = "parameters",
        target: float | None = None,
        data: str | Path | Dataset | None = None,
        data_dir: str | Path | None = None,
        count: int = 40,
        method: str | None = None,
        layer: int | str | None = None,
        before: bool = False,
    ) -> Figure:
        """Draw a picture of the study; save it where `path` says so (its ending gives the format).

        Parameters
        ----------
        kind : str
            One of `issun.study.pictures.KINDS`, which says what each shows: ``frontier``, ``curves``, ``confusion``, …
        path : str or Path, optional
        network, seed : optional
            For pictures of one network.
        x, y : str, optional
            Knobs or sizes, for ``scatter`` and ``heatmap``.
        size : {"parameters", "macs"}
            What accuracy is drawn against, for ``frontier``.
        target : float, optional
            Accuracy to mark, for ``frontier``; a fraction.
        data, data_dir : optional
            Where the images are, for ``gallery``: they are not in a study.
        count : int
            Most images of the gallery.
        method, layer, before : optional
            Of the ``projection``: pca, tsne (the default) or umap; which layer's values, and whether
            those before its activation.

        Raises
        ------
        SelectionError
            Where there is no such kind, network, seed or knob.
        DataError
            Where the images are not found, or are others.
        """
        figure = picture(self, kind, Wanted(network, seed, x, y, size, target, data, data_dir, count, method, layer, before))
        if path is not None:
            save_figure(figure, path)
        return figure
