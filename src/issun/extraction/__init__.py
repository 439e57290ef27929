"""Features: what a layer of a network makes of images, with weights that were drawn, taken from the images, or trained."""

from issun.extraction.extractor import Extractor, trained_extractor
from issun.extraction.layers import find_row
from issun.extraction.making import WEIGHTS, make_extractor
from issun.extraction.patches import Patches

__all__ = ["WEIGHTS", "Extractor", "Patches", "find_row", "make_extractor", "trained_extractor"]
