"""What is recorded: networks, recipes, commands and wrong input. A case that stands here is never changed, cases are added."""

from __future__ import annotations

#: Network, height x width x channels, classes: every word, option and group of docs/notation.md.
NETWORKS = [
    ("dense", (28, 28, 1), 10),
    ("pool, pool, dense", (28, 28, 1), 10),
    ("frozen (conv 4 2x2 same, pool, conv 8 2x2 same, pool), dense", (28, 28, 1), 10),
    ("conv 32, pool, conv 64, pool, conv 64, dense 64, dense", (28, 28, 1), 10),
    ("dense 16, dense 16, dense", (28, 28, 1), 10),
    ("conv 2, conv 2, pool, conv 3, conv 3, pool, dense", (28, 28, 1), 10),
    ("conv 10, pool, dense 256, drop 0.4, dense", (32, 32, 3), 10),
    ("conv 8, pool, conv 16 5x5 same, pool, drop 0.2, dense 64, dense", (28, 28, 1), 10),
    ("conv 4, drop 0.2 spatial, gap, dense", (12, 10, 2), 3),
    ("avgpool, dense", (9, 7, 1), 2),
    ("avgpool 3, dense", (9, 7, 1), 2),
    ("pool 3, dense", (10, 10, 1), 4),
    ("pool 3x3 stride 2, dense", (10, 10, 1), 4),
    ("pool 3 stride 2 same, dense", (10, 10, 1), 4),
    ("pool 2x1, dense", (10, 10, 1), 4),
    ("avgpool 4 stride 2 same, dense", (10, 10, 1), 4),
    ("dwconv, dense", (10, 10, 3), 4),
    ("dwconv 2, dense", (10, 10, 3), 4),
    ("dwconv 5x5 same stride 2 linear, dense", (10, 10, 3), 4),
    ("sepconv 16, gap, dense", (10, 10, 3), 4),
    ("sepconv 16 norm hardswish same, dense", (10, 10, 3), 4),
    ("sepconv 8 5x5 dilation 2 nobias l1 0.01 l2 0.02 he, dense", (16, 16, 3), 4),
    ("scale, dense", (10, 10, 3), 4),
    ("conv 4, scale, relu, dense 8, scale, dense", (10, 10, 3), 4),
    ("conv 4 linear, relu, dense", (10, 10, 3), 4),
    ("conv 4 linear, tanh, dense", (10, 10, 3), 4),
    ("conv 4 linear, leaky, dense", (10, 10, 3), 4),
    ("conv 4 leaky 0.2, dense", (10, 10, 3), 4),
    ("conv 4 prelu, dense 8 prelu, dense", (10, 10, 3), 4),
    ("conv 4 gelu, dense 8 gelu, dense", (10, 10, 3), 4),
    ("conv 4 hardswish, dense 8 hardswish, dense", (10, 10, 3), 4),
    ("conv 4 tanh, prelu, gelu, hardswish, dense", (10, 10, 3), 4),
    ("conv 4 3x1 dilation 2, dense", (10, 10, 3), 4),
    ("conv 4 stride 2 valid, dense", (10, 10, 3), 4),
    ("conv 4 norm, conv 4 norm same, dense 8 norm, dense", (10, 10, 3), 4),
    ("conv 4 nobias, dense 8 nobias, dense nobias", (10, 10, 3), 4),
    ("conv 4 l1 0.01, dense 8 l2 0.01, dense l1 0.001 l2 0.1", (10, 10, 3), 4),
    ("conv 4 glorot, conv 4 he, conv 4 orthogonal, dense he", (10, 10, 3), 4),
    ("conv 16 stride 2 he, conv 10, gap", (28, 28, 1), 10),
    ("3 * (conv 8 same), pool, dense", (28, 28, 1), 10),
    ("tied 3 (conv 1 same), dense", (28, 28, 1), 10),
    ("conv 8 stride 2, res (sepconv 16 same norm, sepconv 16 same norm linear), relu, tied 2 (dwconv same), gap, dense", (28, 28, 1), 10),
    ("conv 4, res (conv 4 same, conv 4 same linear), relu, dense", (10, 10, 3), 4),
    ("res (conv 6 same, res (conv 6 same)), gap, dense", (10, 10, 3), 4),
    ("dense 8, res (dense 8, dense 8 linear), relu, dense", (10, 10, 3), 4),
    ("conv 4, tied 3 (dwconv same nobias, scale, tanh), dense", (10, 10, 3), 4),
    ("conv 4, tied 2 (conv 4 same linear, scale, relu), dense", (10, 10, 3), 4),
    ("frozen (3 * (conv 4 same norm)), 2 * (drop 0.1, dense 8), dense", (10, 10, 3), 4),
]

#: Trained on the bundled digits: every operator. No orthogonal start: it comes from the linear-algebra library.
TRAINED = [
    "dense",
    "conv 3, pool, dense",
    "conv 4 same norm, avgpool 3 stride 2 same, dense 9 gelu, dense",
    "conv 3 stride 2 hardswish, drop 0.2 spatial, dwconv 2 same tanh, gap, dense",
    "sepconv 5 norm leaky 0.2, pool 3x3 stride 2, drop 0.3, dense",
    "conv 4 same, res (conv 6 same, conv 6 same linear), relu, tied 2 (conv 6 1x1), pool, dense",
    "frozen (conv 4 2x2 same, pool), dense 8 prelu nobias, dense",
    "conv 3 dilation 2 he l1 0.001, scale, prelu, dense 6 l2 0.01, dense",
    "conv 17 same, conv 3, avgpool, dense 33, dense",
    "dense 8, res (dense 8 norm, dense 8 linear), tanh, dense",
    "conv 10 3x1 nobias, 2 * (conv 10 same leaky), gap",
]

#: Arguments of `issun sweep`: together they change every setting of a recipe.
RECIPES = {
    "usual": [],
    "sgd": ["--optimizer", "sgd", "--learning-rate", "0.05", "--set", "momentum=0.8", "--set", "nesterov=true", "--scaling", "unit"],
    "sgd-step": ["--optimizer", "sgd", "--schedule", "step", "--set", "drop_at=0.3,0.6", "--set", "drop_factor=0.5", "--initializer", "he"],
    "step-every": ["--schedule", "step", "--set", "drop_every=1", "--weight-decay", "0.001", "--clip-norm", "0.5"],
    "rmsprop": ["--optimizer", "rmsprop", "--schedule", "linear", "--warmup", "0.2", "--set", "rho=0.8", "--set", "epsilon=1e-6"],
    "adadelta": ["--optimizer", "adadelta", "--schedule", "one-cycle", "--scaling", "raw", "--batch-size", "16"],
    "adadelta-rho": ["--optimizer", "adadelta", "--set", "rho=0.9", "--learning-rate", "0.5", "--schedule", "constant"],
    "adamw": ["--optimizer", "adamw", "--set", "beta_1=0.8", "--set", "beta_2=0.99", "--schedule", "constant"],
    "smooth": ["--label-smoothing", "0.1", "--set", "class_weights=balanced"],
    "weighted": ["--set", "class_weights=1,2,1,1,1,1,1,1,1,0.5"],
    "averaged": ["--average", "0.9", "--patience", "1", "--keep", "best"],
    "moved": ["--augment", "shift 1, flip, crop 1, cutout 2"],
    "turned": ["--augment", "rotate 10, zoom 0.1, shear 5, fill 9"],
    "mixed": ["--augment", "mixup 0.2", "--batch-size", "7"],
}

#: As `issun.Recipe(**settings)`: what identifies each.
RECIPE_SETTINGS = [
    {}, {"scaling": "raw"}, {"initializer": "orthogonal"}, {"optimizer": "sgd", "nesterov": True}, {"optimizer": "adamw"},
    {"optimizer": "rmsprop", "rho": 0.5}, {"optimizer": "adadelta"}, {"schedule": "one-cycle"}, {"schedule": "step", "drop_every": 3},
    {"schedule": "step", "drop_at": [0.25, 0.5]}, {"warmup": 0.1}, {"clip_norm": 1.0}, {"weight_decay": 0.01}, {"label_smoothing": 0.1},
    {"class_weights": "balanced"}, {"class_weights": [1, 2]}, {"average": 0.99}, {"patience": 3}, {"keep": "best"},
    {"augment": "flip, shift 2"}, {"augment": "mixup 0.3"}, {"epsilon": 1e-5}, {"beta_1": 0.5}, {"batch_size": 7, "epochs": 3},
]  # fmt: skip

STUDY_FILE = """\
title = "Small"
question = "How small?"
found = "Small enough."
data = "digits"

[replica]
as_published = true
watch = "test"
seeds = 1
target = "20 %"
recipe = { optimizer = "adadelta", batch_size = 32, epochs = 2, schedule = "constant" }
[[replica.families]]
label = "perceptron"
network = "dense n, dense"
knobs = ["n=4,6"]
[[replica.families]]
label = "longer"
network = "conv 2, pool, dense"
recipe = { epochs = 3 }

[last]
as_published = true
watch = "last 10 %"
max_params = 900
[[last.families]]
network = "dense 3, dense"
seeds = [2]
recipe = { epochs = 1 }

[better]
seeds = 2
recipe = { epochs = 2 }
[[better.families]]
label = "small"
network = "conv n, pool, dense 8, dense"
knobs = ["n=2,3"]
[[better.heads]]
label = "ridge on hidden"
head = "ridge"
family = "small"
layer = "dense 8"
before = true
[[better.heads]]
head = "neighbours"
settings = { n_neighbors = [1, 3] }
search = "grid"
network = "conv 4, pool, dense"
weights = ["random", "patches"]
seeds = 2
"""

SWEEP = ["sweep", "digits", "conv n, pool, dense", "n=1,2", "dense", "--epochs", "2", "--seeds", "2", "--threads", "1"]
SWEEP += ["--study", "a.sqlite"]
PICTURES = [
    "sweep",
    "pictures",
    "conv 2, gap, dense",
    "--groups",
    r"p\d+",
    "--epochs",
    "3",
    "--seeds",
    "1",
    "--folds",
    "1",
    "--threads",
    "1",
]
PICTURES += ["--validation", "0.2", "--study", "g.sqlite", "--no-plot"]
_MIXED = "conv 8 stride 2 norm hardswish, sepconv 16 norm, res (conv 16 same), gap, dense"
BATTERY = "conv 4 norm, res (conv 4 same linear), relu, tied 2 (conv 4 1x1), pool, dense 8, dense"
LEARN = ["--epochs", "3", "--threads", "1"]

#: Name, arguments (`--json` is added), in the order in which they run, in one folder.
COMMANDS: dict[str, list[str]] = {
    "sweep-dry": [*SWEEP, "--dry-run"],
    "sweep": SWEEP,
    "sweep-again": [*SWEEP, "--target", "20%", "--max-params", "400", "--max-macs", "1k", "--max-bytes", "2k", "--no-plot"],
    "sweep-zip": ["sweep", "digits", "conv a, dense b, dense", "a=1,2", "b=3,4", "--zip", *LEARN, "--seeds", "0,3", "--study", "z.sqlite"],
    "sweep-pictures": PICTURES,
    "run-dry": ["run", "study.toml", "--dry-run"],
    "run-quick": ["run", "study.toml", "--quick", "--output", "quick", "--no-plot", "--threads", "1", "--part", "last"],
    "run": ["run", "study.toml", "--threads", "1"],
    "run-all": ["run", "study.toml", "--threads", "1", "--no-plot", "--all", "--part", "replica"],
    "size": ["size", "conv 8, pool, conv 16 5x5 same, pool, drop 0.2, dense 64, dense"],
    "size-input": ["size", _MIXED, "--input", "32x32x3", "--classes", "7"],
    "size-family": ["size", "conv n, conv 2n, pool, dense 4n, dense", "n=1..32*2"],
    "size-knobs": ["size", "conv c, pool, dense d, dense 0.6d, dense"],
    "size-zip": ["size", "conv a, conv a, pool, conv b, conv b, pool, dense", "a=2,4", "b=3,8", "--zip"],
    "size-infeasible": ["size", "conv 0.5n, pool, dense", "n=1,2"],
    "train": ["train", "digits", "conv 3, pool, dense", *LEARN, "-o", "m.safetensors", "--curves", "m.png"],
    "train-all": ["train", "digits", BATTERY, *LEARN, "-o", "b.safetensors", "--seed", "3", "--optimizer", "adamw", "--keep", "best"],
    "train-pictures": ["train", "pictures", "conv 4, gap, dense", *LEARN, "-o", "p.safetensors", "--augment", "shift 1", "--folds", "1"],
    "predict": ["predict", "p.safetensors", "pictures/bars/p0_0.pgm", "pictures/checks/p1_1.pgm", "--threads", "1"],
    "predict-folder": ["predict", "p.safetensors", "pictures", "--threads", "1"],
    "predict-digits": ["predict", "m.safetensors", "pictures/bars", "--threads", "1", "--top", "2", "--invert"],
    "predict-fit": ["predict", "m.safetensors", "pictures/bars/p0_0.pgm", "--fit", "--top", "10"],
    "export-onnx": ["export", "m.safetensors", "--to", "onnx", "-o", "m.onnx"],
    "export-c": ["export", "b.safetensors", "-o", "b.c", "--logits"],
    "export-int8": ["export", "b.safetensors", "--to", "c", "--int8", "-o", "i.c"],
    "export-finetune": ["export", "m.safetensors", "--to", "c", "--int8", "--finetune", "-o", "f.c"],
    "export-study": ["export", "a.sqlite", "--to", "c", "-o", "s.c", "--network", "dense", "--seed", "1"],
    "show": ["show", "a.sqlite"],
    "show-all": ["show", "a.sqlite", "--all", "--target", "15%", "--max-params", "500"],
    "show-network": ["show", "a.sqlite", "--network", "conv 2, pool, dense"],
    "show-seed": ["show", "a.sqlite", "--network", "dense", "--seed", "0"],
    "show-heads": ["show", "study-better.sqlite"],
    "show-published": ["show", "study-replica.sqlite", "--plot"],
    "plot-frontier": ["plot", "a.sqlite", "frontier", "-o", "frontier.png"],
    "plot-curves": ["plot", "a.sqlite", "curves", "-o", "curves.svg"],
    "plot-scatter": ["plot", "z.sqlite", "scatter", "-o", "scatter.png"],
    "plot-heatmap": ["plot", "z.sqlite", "heatmap", "-o", "heatmap.png"],
    "plot-confusion": ["plot", "a.sqlite", "confusion", "-o", "confusion.png"],
    "plot-classes": ["plot", "a.sqlite", "classes", "-o", "classes.png"],
    "plot-gallery": ["plot", "a.sqlite", "gallery", "-o", "gallery.png"],
    "plot-shares": ["plot", "a.sqlite", "shares", "-o", "shares.png"],
    "plot-heads": ["plot", "study-better.sqlite", "heads", "-o", "heads.png"],
    "plot-projection": ["plot", "a.sqlite", "projection", "--method", "pca", "-o", "projection.png"],
    "report": ["report", "a.sqlite", "-o", "page.html", "--title", "A page"],
    "report-two": ["report", "study-replica.sqlite", "study-better.sqlite", "--target", "20%", "-o", "two.html"],
    "features": [
        "features", "digits", "conv 4, pool, dense", "--weights", "random,patches", "--head", "ridge", "--draws", "2",
        "-o", "h.safetensors",
    ],
    "features-study": ["features", "digits", "--study", "a.sqlite", "--head", "ridge,neighbours", "--grid", "--table", "features.csv"],
    "features-model": ["features", "digits", "m.safetensors", "--head", "logistic", "--set", "logistic.C=0.01,0.1", "--refit"],
    "ablate": ["ablate", "digits", "conv 3, pool, dense", "--draws", "1", "--head", "ridge", "--epochs", "2", "-o", "worth.png"],
    "project": ["project", "digits", "conv 3, pool, dense", "--method", "pca", "--count", "60", "-o", "plane.png"],
    "data": ["data", "digits"],
    "data-pictures": ["data", "pictures", "--groups", r"p\d+", "--sheet", "sheet.png"],
    "data-augment": ["data", "digits", "--augment", "shift 1, rotate 10", "--sheet", "augmented.png"],
    "bench": ["bench", "dense", "--input", "8x8x1", "--images", "256", "--rounds", "1", "--no-peers", "--threads", "1"],
    "bench-layers": ["bench", "conv 2, pool, dense", "--input", "8x8x1", "--images", "256", "--rounds", "1", "--layers", "--no-peers"],
    "bench-predict": ["bench", "dense", "--input", "8x8x1", "--images", "256", "--rounds", "1", "--predict", "--no-peers"],
}  # fmt: skip

#: Their values are measured, or come from another library: the names and types of their entries are held.
ONLY_KEYS = frozenset({"bench", "bench-layers", "bench-predict"})

#: Their figures come partly from the linear-algebra library, which rounds otherwise on other processors.
LINEAR_ALGEBRA = frozenset({"features", "features-study", "features-model", "ablate", "project", "run", "show-heads", "plot-projection"})

#: Commands as people read them: exit code and first line.
READ = {
    "version": ["--version"], "help": ["--help"], "sweep": [*SWEEP, "--no-plot"], "size": ["size", "conv n, dense", "n=1,2"],
    "show": ["show", "a.sqlite"], "show-network": ["show", "a.sqlite", "--network", "dense"], "data": ["data", "digits"],
    "predict": ["predict", "p.safetensors", "pictures/bars/p0_0.pgm"], "run-dry": ["run", "study.toml", "--dry-run"],
    "plot": ["plot", "a.sqlite", "frontier", "-o", "again.png"], "report": ["report", "a.sqlite", "-o", "again.html"],
    "export": ["export", "m.safetensors", "-o", "again.c"], "run": ["run", "study.toml", "--no-plot", "--part", "last"],
    "features": ["features", "digits", "conv 4, pool, dense", "--head", "ridge"], "no-arguments": [],
}  # fmt: skip

_T = ["train", "digits", "dense", "--epochs", "1"]
_S = ["sweep", "digits", "dense", "--epochs", "1", "--study", "w.sqlite"]
_F = ["features", "digits", "conv 4, pool, dense", "--head"]

#: Wrong input: arguments.
WRONG_COMMANDS: dict[str, list[str]] = {
    "no such command": ["swep"],
    "no such option": ["size", "dense", "--inptu", "8x8x1"],
    "missing argument": ["train", "digits"],
    "unknown layer": ["size", "conv 8, pol, dense"],
    "unknown option": ["size", "conv 8 strid 2, dense"],
    "two commas": ["size", "conv 8,, dense"],
    "open parenthesis": ["size", "3 * (conv 8, dense"],
    "odd sign": ["size", "conv 8; dense"],
    "number out of place": ["size", "dense 8 8"],
    "zero filters": ["size", "conv 0, dense"],
    "drop above one": ["size", "drop 1.5, dense"],
    "classifier not last": ["size", "dense, conv 4"],
    "conv after dense": ["size", "dense 8, conv 4, dense"],
    "no classifier": ["size", "conv 8, pool"],
    "window too large": ["size", "conv 8 40x40, dense"],
    "res changes size": ["size", "res (conv 8), dense"],
    "each without scale": ["size", "conv 4, tied 2 (conv 4 same each), dense"],
    "norm as a layer": ["size", "conv 4, norm, dense"],
    "groups do not divide": ["size", "conv 6 norm group 4, dense"],
    "groups of a layer do not divide": ["size", "conv 6, norm group 4, dense"],
    "groups of a convolution do not divide": ["size", "conv 8 groups 3, dense"],
    "groups of a convolution do not divide its input": ["size", "conv 6, conv 8 groups 4, dense"],
    "branches of different sizes": ["size", "concat (conv 2 | conv 3 same |), dense"],
    "one branch": ["size", "concat (conv 2), dense"],
    "a branch outside of concat": ["size", "conv 2 | conv 3, dense"],
    "a gate of another shape": ["size", "conv 4, gate (conv 3 same), dense"],
    "a gate of too few features": ["size", "dense 4, gate (dense 3), dense"],
    "the classifier in a gate": ["size", "conv 4, gate (gap, dense), dense"],
    "norm image of a vector": ["size", "conv 6, gap, norm image, dense"],
    "norm group of a dense": ["size", "dense 6 norm group 3, dense"],
    "tied changes shape": ["size", "tied 2 (conv 4), dense"],
    "res scaled misspelt": ["size", "res scald (conv 1 same), dense"],
    "slope of elu": ["size", "conv 8 elu 2, dense"],
    "dilation and stride": ["size", "conv 4 dilation 2 stride 2, dense"],
    "knob without values in train": ["train", "digits", "conv n, dense"],
    "values without knob": ["size", "conv 8, dense", "n=1,2"],
    "values not numbers": ["size", "conv n, dense", "n=a,b"],
    "range backwards": ["size", "conv n, dense", "n=8..2"],
    "zip of unequal": ["size", "conv a, dense b, dense", "a=1,2", "b=3", "--zip"],
    "bad input": ["size", "dense", "--input", "8x8"],
    "bad classes": ["size", "dense", "--classes", "0"],
    "unknown data": ["data", "mnits"],
    "data folder empty": ["data", "empty"],
    "data no folder": ["data", "nowhere/at/all"],
    "data odd file": ["data", "odd.txt"],
    "npz broken": ["data", "broken.npz"],
    "csv broken": ["data", "broken.csv"],
    "size of images": ["data", "pictures", "--size", "8by8"],
    "groups no expression": ["data", "pictures", "--groups", "("],
    "groups match nothing": ["data", "pictures", "--groups", "zzz"],
    "range negative": ["data", "pictures", "--range", "-1"],
    "augment unknown": ["data", "digits", "--augment", "blur 2"],
    "augment no number": ["data", "digits", "--augment", "shift"],
    "augment too far": ["data", "digits", "--augment", "shift 8"],
    "augment unknown edge": ["data", "digits", "--augment", "shift 1, edge reflect"],
    "augment no colours": ["data", "digits", "--augment", "saturation 0.2"],
    "sheet ending": ["data", "digits", "--sheet", "sheet.xyz"],
    "optimizer": [*_T, "--optimizer", "adma"],
    "learning rate": [*_T, "--learning-rate", "-1"],
    "epochs": ["train", "digits", "dense", "--epochs", "0"],
    "epochs no number": ["train", "digits", "dense", "--epochs", "many"],
    "batch size": [*_T, "--batch-size", "0"],
    "schedule": [*_T, "--schedule", "cosin"],
    "warmup": [*_T, "--warmup", "1"],
    "smoothing": [*_T, "--label-smoothing", "1"],
    "average": [*_T, "--ema-decay", "1"],
    "patience": [*_T, "--patience", "0"],
    "keep": [*_T, "--set", "restore_best_weights=first"],
    "scaling": [*_T, "--scaling", "unti"],
    "initializer": [*_T, "--initializer", "xavier"],
    "set unknown": [*_T, "--set", "momentun=0.9"],
    "set no value": [*_T, "--set", "momentum"],
    "set wrong": [*_T, "--set", "momentum=2"],
    "set twice": [*_T, "--set", "epochs=2"],
    "validation share": [*_T, "--validation", "1"],
    "threads": [*_T, "--threads", "0"],
    "model folder": [*_T, "-o", "nowhere/m.safetensors"],
    "curves ending": [*_T, "--curves", "curves.doc"],
    "seeds": [*_S, "--seeds", "x"],
    "seeds none": [*_S, "--seeds", "0"],
    "target": [*_S, "--target", "970%"],
    "target words": [*_S, "--target", "good"],
    "max params": [*_S, "--max-params", "many"],
    "study of other data": ["sweep", "pictures", "conv 2, gap, dense", "--study", "a.sqlite", "--epochs", "1"],
    "study is no study": ["show", "odd.txt"],
    "study missing": ["show", "no.sqlite"],
    "study damaged": ["show", "damaged.sqlite"],
    "study cut": ["show", "cut.sqlite"],
    "study a folder": ["show", "pictures"],
    "show unknown network": ["show", "a.sqlite", "--network", "dense 7, dense"],
    "show bad network": ["show", "a.sqlite", "--network", "dens"],
    "show seed": ["show", "a.sqlite", "--network", "dense", "--seed", "9"],
    "show target not met": ["show", "a.sqlite", "--target", "99.9%"],
    "plot kind": ["plot", "a.sqlite", "fronteer"],
    "plot heads of none": ["plot", "a.sqlite", "heads"],
    "plot ending": ["plot", "a.sqlite", "frontier", "-o", "a.doc"],
    "plot knob": ["plot", "z.sqlite", "scatter", "--x", "q"],
    "report ending": ["report", "a.sqlite", "-o", "page.pdf"],
    "report missing": ["report", "no.sqlite"],
    "watch missing": ["watch", "no.sqlite", "--port", "0"],
    "predict no model": ["predict", "no.safetensors", "pictures"],
    "predict odd model": ["predict", "odd.txt", "pictures"],
    "predict no picture": ["predict", "p.safetensors", "no.png"],
    "predict odd picture": ["predict", "p.safetensors", "odd.txt"],
    "predict top": ["predict", "p.safetensors", "pictures/bars/p0_0.pgm", "--top", "0"],
    "export format": ["export", "m.safetensors", "--to", "onxn"],
    "export no format": ["export", "m.safetensors"],
    "export there": ["export", "m.safetensors", "-o", "b.c"],
    "export int8 onnx": ["export", "m.safetensors", "--to", "onnx", "--int8", "-o", "q.onnx"],
    "export ending": ["export", "m.safetensors", "--to", "c", "-o", "q.onnx"],
    "export missing": ["export", "no.safetensors", "--to", "c"],
    "features head": [*_F, "rigde"],
    "features weights": ["features", "digits", "conv 4, pool, dense", "--weights", "randm"],
    "features layer": [*_F, "ridge", "--layer", "conv 9"],
    "features setting": [*_F, "ridge", "--set", "ridge.C=1"],
    "features nothing": ["features", "digits"],
    "features both searches": [*_F, "svm", "--grid", "--halving"],
    "merge nothing": ["merge", "no.sqlite", "-o", "merged.sqlite"],
    "merge twice": ["merge", "a.sqlite", "a.sqlite", "-o", "merged.sqlite"],
    "sweep shard": [*SWEEP, "--shard", "5/4"],
    "ablate head": ["ablate", "digits", "conv 4, pool, dense", "--head", "nohead"],
    "project method": ["project", "digits", "conv 4, pool, dense", "--method", "tsn"],
    "project part": ["project", "digits", "conv 4, pool, dense", "--part", "tests"],
    "run missing": ["run", "no.toml"],
    "run broken": ["run", "broken.toml"],
    "run unknown key": ["run", "unknown.toml"],
    "run part": ["run", "study.toml", "--part", "worse"],
    "bench network": ["bench", "conv n, dense", "--no-peers"],
}  # fmt: skip

#: Wrong input: lines of Python, which see `issun` and `np`.
WRONG_PYTHON = {
    "parse": "issun.parse('conv 8, pol, dense')",
    "parse empty": "issun.parse('')",
    "parse_network knob": "issun.parse_network('conv n, dense', (8, 8, 1), 10)",
    "parse_network classes": "issun.parse_network('dense', (8, 8, 1), 1)",
    "parse_network input": "issun.parse_network('dense', (8, 0, 1), 10)",
    "load": "issun.load('mnits')",
    "load size": "issun.load('pictures', size=(0, 8))",
    "load groups": "issun.load('pictures', groups='(')",
    "contents": "issun.contents('nowhere')",
    "Recipe optimizer": "issun.Recipe(optimizer='adma')",
    "Recipe unknown": "issun.Recipe(momentun=0.9)",
    "Recipe epochs": "issun.Recipe(epochs=0)",
    "Recipe drop_at": "issun.Recipe(reduce_at=(0.75, 0.5))",
    "Recipe augment": "issun.Recipe(augment='blur')",
    "Augmentation shift": "issun.Augmentation(shift=-1)",
    "Augmentation nothing": "issun.Augmentation()",
    "Augmentation fill": "issun.Augmentation(flip=True, fill=9)",
    "Augmentation edge": "issun.Augmentation(flip=True, edge='mirror')",
    "Augmentation crop": "issun.Augmentation(crop=1.5)",
    "augmented images": "issun.augmented(np.zeros((2, 8, 8, 1)), 'flip')",
    "augmented shift": "issun.augmented(np.zeros((2, 8, 8, 1), np.uint8), 'shift 9')",
    "Split fraction": "issun.Split(fraction=1.5)",
    "Split how": "issun.load('digits').parts(issun.Split(how='first'))",
    "Study": "issun.Study('no.sqlite')",
    "Study folder": "issun.Study('pictures')",
    "Study smallest": "issun.Study('a.sqlite').smallest(0.999)",
    "Study best": "issun.Study('a.sqlite').best(max_params=1)",
    "Study network": "issun.Study('a.sqlite').network('dense 7, dense')",
    "Study plot": "issun.Study('a.sqlite').plot('fronteer')",
    "Model load": "issun.Model.load('no.safetensors')",
    "Model load odd": "issun.Model.load('odd.txt')",
    "Model images": "issun.Model.load('m.safetensors').logits(np.zeros((2, 9, 9, 1), np.uint8))",
    "Model dtype": "issun.Model.load('m.safetensors').logits(np.zeros((2, 8, 8, 1)))",
    "Model labels": "issun.Model.load('m.safetensors').evaluate(np.zeros((2, 8, 8, 1), np.uint8), np.array([0, 10]))",
    "predict": "issun.predict('p.safetensors', 'no.png')",
    "predict top": "issun.predict('p.safetensors', 'pictures', top=0)",
    "export_model format": "issun.export_model(issun.Model.load('m.safetensors'), 'x.c', 'cc')",
    "export_model option": "issun.export_model(issun.Model.load('m.safetensors'), 'x', 'onnx', int9=True)",
    "train network": "issun.train('digits', 'conv n, dense')",
    "train epochs": "issun.train('digits', 'dense', epochs=0)",
    "train seed": "issun.train('digits', 'dense', epochs=1, seed=-1)",
    "train validation": "issun.train('digits', 'dense', epochs=1, validation=2)",
    "sweep values": "issun.sweep('digits', 'conv n, dense', epochs=1, study='v.sqlite')",
    "sweep seeds": "issun.sweep('digits', 'dense', epochs=1, seeds=0, study='v.sqlite')",
    "from_keras": "issun.from_keras('no.keras')",
    "ConvFeatures": "issun.ConvFeatures('conv 4, pol').fit(np.zeros((4, 64)))",
    "ConvNetClassifier": "issun.ConvNetClassifier('conv n, dense').fit(np.zeros((4, 64)), [0, 1, 0, 1])",
    "ConvNetClassifier unfitted": "issun.ConvNetClassifier().predict(np.zeros((4, 64)))",
    "ConvNetClassifier rows": "issun.ConvNetClassifier().fit(np.zeros((4, 64)), [0, 1, 0])",
}  # fmt: skip

_SHORT = ["--epochs", "2", "--threads", "1"]

#: Commands whose studies are kept as golden files, by the file that they write.
GOLDEN_STUDIES: dict[str, list[list[str]]] = {
    "recipes.sqlite": [
        ["sweep", "digits", "conv n, pool, dense", "n=1,2", "--epochs", "2", "--seeds", "1", "--threads", "1", *settings]
        for settings in RECIPES.values()
    ]
    + [
        ["sweep", "digits", "dense 4, dense", "--epochs", "1", "--seeds", "3,5", "--validation", "0.2", "--threads", "1"],
        ["sweep", "digits", "dense 4 orthogonal, dense", "--epochs", "1", "--initializer", "orthogonal", "--threads", "1"],
    ],
    "groups.sqlite": [["sweep", "pictures", "conv n norm, gap, dense", "n=1,2", "--groups", r"p\d+", "--validation", "0.3", *_SHORT]],
    "inputs.sqlite": [
        ["sweep", "digits", "conv n, pool, dense", "n=1,2", "--size", size, "--color", color, "--folds", "1", *_SHORT]
        for size, color in (("6", "gray"), ("6,8", "gray,rgb"))
    ],
    "search.sqlite": [
        [
            "search",
            "digits",
            "--target",
            "70%",
            "--trials",
            "40",
            "--epochs",
            "4",
            "--max-macs",
            "20k",
            "--finalists",
            "2",
            "--threads",
            "1",
        ]
    ],
}


def made_by(argv: list[str], study: str) -> list[str]:
    """Return the command that makes a golden study, into a file."""
    return [*argv, "--study", study, *(["--no-plot"] if argv[0] == "sweep" else [])]


GOLDEN_RUN = ["run", "study.toml", "--threads", "1", "--no-plot"]
#: Long enough that a checkpoint is kept (every ten seconds) before it is killed, and with few weights.
GOLDEN_KILLED = ["sweep", "digits", "conv 4 norm, tied 20 (conv 4 same leaky), pool, dense", "--epochs", "110"]
GOLDEN_KILLED += ["--seeds", "1", "--threads", "1", "--average", "0.9", "--keep", "best", "--no-plot", "--study", "killed.sqlite"]

#: Models: what stands after `issun`, for the file of that name.
GOLDEN_MODELS: dict[str, list[str]] = {
    "norm": ["train", "digits", "conv 4 norm, pool, dense 8 norm tanh, dense", "--epochs", "3"],
    "res": ["train", "digits", "conv 4, res (conv 6 same, conv 6 same linear), relu, pool, dense", "--epochs", "3", "--scaling", "unit"],
    "tied": ["train", "digits", "conv 4, tied 2 (conv 4 same leaky), scale, gap, dense", "--epochs", "3"],
    "sepconv": ["train", "digits", "sepconv 4 same hardswish, avgpool, dwconv 2, dense 8 prelu, dense", "--epochs", "3"],
    "frozen": ["train", "digits", "frozen (conv 4 2x2 same, pool), drop 0.2, dense", "--epochs", "3", "--set", "class_weights=balanced"],
    "pictures": ["train", "pictures", "conv 4 3x1 gelu, gap, dense", "--epochs", "4", "--batch-size", "4", "--folds", "1"],
    "head": ["features", "digits", "conv 4, pool, dense", "--weights", "random", "--head", "ridge"],
}
EXPORTS = {name: ["--to", name] for name in ("onnx", "c", "keras", "torch")} | {"int8": ["--to", "c", "--int8"]}
