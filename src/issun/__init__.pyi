from issun.api.ablate import ablate as ablate
from issun.api.data import data as data
from issun.api.export import export as export
from issun.api.features import features as features
from issun.api.project import project as project
from issun.api.size import size as size
from issun.api.train import train as train
from issun.arch.net import Net as Net
from issun.arch.notation import parse as parse
from issun.arch.notation import parse_network as parse_network
from issun.augmentation import Augmentation as Augmentation
from issun.datasets.dataset import Dataset as Dataset
from issun.datasets.dataset import Split as Split
from issun.datasets.named import load as load
from issun.engine.reference.augment import augmented as augmented
from issun.errors import IssunError as IssunError
from issun.exporters.finetuning import finetune as finetune
from issun.exporters.keras.from_keras import from_keras as from_keras
from issun.model import Model as Model
from issun.predicting import predict as predict
from issun.recipe import Recipe as Recipe
from issun.sklearn import ConvFeatures as ConvFeatures
from issun.sklearn import ConvNetClassifier as ConvNetClassifier
from issun.study.study import Study as Study
from issun.study.sweep import sweep as sweep
from issun.timing.bench import bench as bench

__version__: str
