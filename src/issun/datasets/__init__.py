"""Images and labels: where they come from and how they are held."""

from issun.datasets.dataset import Dataset, Split
from issun.datasets.named import NAMES, load
from issun.datasets.pictures import read_image

__all__ = ["NAMES", "Dataset", "Split", "load", "read_image"]
