"""A model in the formats of others, each checked against the model that it came from; and the way in from theirs."""

from issun.exporters.check import Agreement
from issun.exporters.writing import FORMATS, Exported, export_model

__all__ = ["FORMATS", "Agreement", "Exported", "export_model"]
