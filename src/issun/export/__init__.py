"""A model in the formats of others, each checked against the model that it came from; and the way in from theirs."""

from issun.export.check import Agreement
from issun.export.formats import FORMATS
from issun.export.writing import Exported, export_model

__all__ = ["FORMATS", "Agreement", "Exported", "export_model"]
