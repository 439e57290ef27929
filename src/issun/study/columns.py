"""The names of columns: what frames, SQL, JSON and the report's page call each fact of a trial and of a network.

They stand here once; everything else asks for the attribute behind a name, so that to rename one is a change of this file alone.
"""

from __future__ import annotations

#: What can be said of a network, as columns of `Study.networks`, in their order: the name, and the attribute of `Entry` behind it.
NETWORK = {
    "network_id": "network_id",
    "family": "family",
    "label": "label",
    "network": "network",
    "knobs": "knobs",
    "parameters": "parameters",
    "trained": "trained",
    "macs": "macs",
    "bytes": "bytes",
    "peak_memory": "peak_memory",
    "recipe_id": "recipe_id",
    "split": "split",
    "seeds": "seeds",
    "validation": "mean",
    "validation_sd": "deviation",
    "lower": "lower",
    "validation_images": "validation_images",
    "guessing": "guessing",
    "beats_guessing": "beats_guessing",
    "seconds": "seconds",
    "diverged": "diverged",
    "chance": "chance",
    "best_seed": "best_seed",
    "frontier": "frontier",
}

#: Those that are said of a network in JSON, in their order.
JSON = (
    *("network", "family", "label", "knobs", "parameters", "trained", "macs", "bytes", "peak_memory", "seeds", "validation"),
    *("validation_sd", "lower", "validation_images", "guessing", "beats_guessing", "diverged", "chance", "best_seed", "seconds"),
    *("recipe_id", "split", "frontier"),
)

#: Test figures of a network, which stand only beside what was chosen: mean and standard deviation over seeds.
TEST, TEST_DEVIATION = "test", "test_sd"

#: Sizes of a network, as columns and as attributes of `Entry`.
SIZES = ("parameters", "trained", "macs", "bytes", "peak_memory")

#: What `Study.frame` says of a trial's network, before what it says of the trial.
OF_NETWORK = (
    *("network_id", "family", "label", "network", "knobs"),
    *SIZES,
    *("recipe_id", "split"),
)

#: What is said of a trial, as columns of `Study.frame`, in their order: the name, and the attribute of `TrialResult` behind it. Those of
#: `OF_SPLIT` are attributes of its `Entry`.
TRIAL = {
    "seed": "seed",
    "status": "status",
    "diverged": "diverged",
    "chance": "chance",
    "validation_loss": "validation_loss",
    "validation_accuracy": "validation_accuracy",
    "validation_images": "validation_images",
    "guessing": "guessing",
    "epochs": "epochs",
    "kept": "kept",
    "train_loss": "train_loss",
    "train_accuracy": "train_accuracy",
    "seconds": "seconds",
    "finished": "finished",
}
TRIAL_ID = "trial_id"
OF_SPLIT = ("validation_images", "guessing")

#: The columns of `Study.frame`.
FRAME = (TRIAL_ID, *OF_NETWORK, *TRIAL)

#: Those that are whole numbers, and those that are any.
WHOLE = (*SIZES, "seed", "validation_images", "epochs", "kept")
REAL = ("validation_loss", "validation_accuracy", "guessing", "train_loss", "train_accuracy", "seconds")

#: Test figures of a trial.
TEST_LOSS, TEST_ACCURACY = "test_loss", "test_accuracy"

#: The columns of a trial's history, one row an epoch: those of the table `epochs`.
CURVES = ("train_loss", "train_accuracy", "validation_loss", "validation_accuracy")
HISTORY = ("epoch", *CURVES, "seconds")

#: The columns of `Study.heads`, in their order: the name, and the column of the table `heads` behind it.
HEADS = {
    **{name: name for name in ("id", "label", "network", "trial_id", "layer", "draw", "head", "settings", "features", "parameters")},
    **{name: name for name in ("trained", "images", "tried", "search_images")},
    "validation": "validation_accuracy",
    **{name: name for name in ("seconds", "problem", "finished")},
}
