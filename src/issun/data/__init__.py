"""Images and labels: where they come from and how they are held."""

from issun.data.dataset import Dataset, Split
from issun.data.named import NAMES, load
from issun.data.pictures import read_image

__all__ = ["NAMES", "Dataset", "Split", "load", "read_image"]
