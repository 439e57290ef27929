"""The names of columns: what frames, SQL, JSON and the report's page call each fact of a trial and of a network.

They stand here once; everything else asks for the attribute behind a name, so that to rename one is a change of this file alone.
"""

from __future__ import annotations

from collections.abc import Iterable

#: Sizes of a network, as columns and as attributes of `Entry`.
SIZES = ("parameters", "trainable_params", "macs", "bytes", "peak_memory")

#: What can be said of a network: columns of `Study.networks`, in their order, and attributes of `Entry`.
NETWORK = (
    *("network_id", "family", "label", "network", "knobs"),
    *SIZES,
    *("recipe_id", "split", "seeds", "val_accuracy_mean", "val_accuracy_std", "val_accuracy_lower95", "validation_images", "guessing"),
    *("beats_guessing", "independent", "seconds", "diverged", "chance", "best_seed", "frontier", "folds", "input"),
)

#: Columns of `Study.networks` in the version before, and those that took their place: `Entry` still answers to them.
OLD_NETWORK = {
    "trained": "trainable_params",
    "validation": "val_accuracy_mean",
    "validation_sd": "val_accuracy_std",
    "lower": "val_accuracy_lower95",
}

#: Those that are said of a network in JSON, in their order.
JSON = (
    *("network", "family", "label", "knobs"),
    *SIZES,
    *("seeds", "val_accuracy_mean", "val_accuracy_std", "val_accuracy_lower95", "validation_images", "guessing", "beats_guessing"),
    *("independent", "diverged", "chance", "best_seed", "seconds", "recipe_id", "split", "frontier", "folds", "input"),
)

#: Test figures of a network, which stand only beside what was chosen: mean and standard deviation over seeds.
TEST_MEAN, TEST_STD = "test_accuracy_mean", "test_accuracy_std"

#: What `Study.trials_dataframe` says of a trial's network, before what it says of the trial.
OF_NETWORK = (
    *("network_id", "family", "label", "network", "knobs"),
    *SIZES,
    *("recipe_id", "split", "input"),
)

#: What is said of a trial: columns of `Study.trials_dataframe`, in their order, and attributes of `TrialResult`. Those of `OF_SPLIT` are
#: attributes of its `Entry`.
TRIAL = (
    *("seed", "status", "diverged", "chance", "val_loss", "val_accuracy", "validation_images", "guessing", "epochs", "kept"),
    *("train_loss", "train_accuracy", "seconds", "finished", "instruction_set", "compiler", "processor"),
)
TRIAL_ID = "trial_id"
OF_SPLIT = ("validation_images", "guessing")

#: The columns of `Study.trials_dataframe`.
FRAME = (TRIAL_ID, *OF_NETWORK, *TRIAL)

#: Those that are whole numbers, and those that are any.
WHOLE = (*SIZES, "seed", "validation_images", "epochs", "kept")
REAL = ("val_loss", "val_accuracy", "guessing", "train_loss", "train_accuracy", "seconds")

#: Test figures of a trial; the second one of a head too.
TEST_LOSS, TEST_ACCURACY = "test_loss", "test_accuracy"

#: The columns of a trial's history, one row an epoch.
CURVES = ("train_loss", "train_accuracy", "val_loss", "val_accuracy")
HISTORY = ("epoch", *CURVES, "seconds")

#: The names that tables of a study have for some columns. They never change.
_STORED = {"trainable_params": "trained", "val_loss": "validation_loss", "val_accuracy": "validation_accuracy"}

#: The columns of `Study.heads`, in their order: the name, and the column of the table `heads` behind it.
HEADS = {
    **{name: name for name in ("id", "label", "network", "trial_id", "layer", "draw", "head", "settings", "features", "parameters")},
    "trainable_params": "trained",
    **{name: name for name in ("images", "tried", "search_images")},
    "val_accuracy": "validation_accuracy",
    **{name: name for name in ("seconds", "problem", "finished")},
}


def selected(names: Iterable[str], table: str = "") -> str:
    """Return what a query selects so that its rows have columns by these names."""
    return ", ".join(f"{table}{_STORED[name]} AS {name}" if name in _STORED else table + name for name in names)
