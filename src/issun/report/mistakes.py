"""What does a network get wrong? The surest mistakes on validation, each with its place in the page's album."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from issun.model import Model
from issun.report.album import Album
from issun.report.rounding import rounded
from issun.report.snapshot import Snapshot


def mistakes(study: Snapshot, row: pd.Series[Any], model: Model, album: Album, most: int) -> list[dict[str, Any]]:
    """Return the surest mistakes of a network's best seed on validation, as far as the album has room, at most `most`.

    Returns
    -------
    list of dict
        ``image``: place in the album; ``true, predicted``: class numbers; ``probability``: what it gave to the class that it took.
    """
    said = study.predictions(row)
    wrong = said[said["label"] != said["predicted"]]
    if wrong.empty:
        return []
    taken = wrong["predicted"].to_numpy()
    sure = model.predict_proba(album.dataset.images[wrong["index"].to_numpy()])[np.arange(len(wrong)), taken]
    found: list[dict[str, Any]] = []
    for place in np.argsort(-sure, kind="stable")[:most]:
        line = wrong.iloc[int(place)]
        image = album.add(int(line["index"]))
        if image is not None:
            found.append(
                {
                    "image": image,
                    "true": int(line["label"]),
                    "predicted": int(line["predicted"]),
                    "probability": rounded(sure[place], 4),
                }
            )
    return found
