"""Options of the commands that look at features: which features, and which heads. What they mean stands in `sources` and `wishes`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Network = Annotated[
    str | None,
    typer.Argument(
        metavar="[NETWORK]",
        help='A network ("conv 32, pool"; a classifier at its end may be left out), or a saved model (.safetensors); with --study one of '
        "its networks.",
    ),
]
Weights = Annotated[
    str | None,
    typer.Option(
        "--weights", help="random, he, orthogonal, patches, kmeans, pca; several with commas. Default: random. Not for what is trained."
    ),
]
Layer = Annotated[
    str | None,
    typer.Option("--layer", help="By number or words (conv 16); 0: the image. Default: what enters the classifier."),
]
Before = Annotated[bool, typer.Option("--before", help="Before the layer's activation.")]
StudyAt = Annotated[Path | None, typer.Option("--study", help="Take the trained networks of this study.")]
Whitening = Annotated[
    float | None,
    typer.Option(
        "--whitening",
        help="Of patches and kmeans: what is added to every variance, as a share of their mean. Digits want about 1, photographs little. "
        "Default: 0.1.",
    ),
]
Threshold = Annotated[
    float | None,
    typer.Option(
        "--threshold",
        help="Of patches, kmeans and pca: what a response must exceed to pass a ReLU, in deviations. Default: 0.5.",
    ),
]
Scaling = Annotated[
    str | None, typer.Option("--scaling", help="Of the images, for untrained networks: standard, unit or raw. Default: standard.")
]
HeadNames = Annotated[
    str, typer.Option("--head", help="ridge, logistic, linear-svm, svm, forest, neighbours; several with commas.", show_default=True)
]
Grid = Annotated[bool, typer.Option("--grid", help="Search the heads' grids on validation; ridge always does.")]
Halving = Annotated[bool, typer.Option("--halving", help="The same by successive halving: many settings on few images first.")]
SearchImages = Annotated[int | None, typer.Option("--search-images", min=1, help="Most images a search learns from; svm: 5000.")]
Refit = Annotated[bool, typer.Option("--refit", help="Once chosen, learn from training and validation images together.")]
Set = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="HEAD.NAME=VALUES", help="A setting, or several to choose from: svm.C=1,10. Can be repeated."),
]
