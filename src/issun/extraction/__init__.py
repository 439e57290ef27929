"""Features: what a layer of a network makes of images, with weights that were drawn, taken from the images, or trained."""

from issun.extraction.extractor import Extractor, operation_index, trained_extractor
from issun.extraction.making import WEIGHTS, make_extractor
from issun.extraction.patches import Patches

__all__ = ["WEIGHTS", "Extractor", "Patches", "make_extractor", "operation_index", "trained_extractor"]
