"""scikit-learn estimators: `ConvFeatures` turns images into features, `ConvNetClassifier` trains a network and predicts."""

from issun.sklearn.classifier import ConvNetClassifier
from issun.sklearn.features import ConvFeatures

__all__ = ["ConvFeatures", "ConvNetClassifier"]
