from issun.arch.net import Net as Net
from issun.arch.notation import parse as parse
from issun.arch.notation import parse_network as parse_network
from issun.augmentation import Augmentation as Augmentation
from issun.datasets.contents import contents as contents
from issun.datasets.dataset import Dataset as Dataset
from issun.datasets.dataset import Split as Split
from issun.datasets.named import load as load
from issun.engine.reference.augment import augmented as augmented
from issun.errors import IssunError as IssunError
from issun.exporters.finetuning import finetune as finetune
from issun.exporters.keras.from_keras import from_keras as from_keras
from issun.exporters.writing import export_model as export_model
from issun.model import Model as Model
from issun.plots.pictures import plot as plot
from issun.predicting import predict as predict
from issun.recipe import Recipe as Recipe
from issun.sklearn import ConvFeatures as ConvFeatures
from issun.sklearn import ConvNetClassifier as ConvNetClassifier
from issun.study.query import Query as Query
from issun.study.study import Study as Study
from issun.study.sweep import sweep as sweep
from issun.training import train as train

__version__: str
