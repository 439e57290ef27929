"""Features: what a layer of a network makes of images, with weights that were drawn, taken from the images, or trained."""

from issun.features.extractor import Extractor, trained_extractor
from issun.features.layers import find_row
from issun.features.making import WEIGHTS, make_extractor
from issun.features.patches import Patches

__all__ = ["WEIGHTS", "Extractor", "Patches", "find_row", "make_extractor", "trained_extractor"]
