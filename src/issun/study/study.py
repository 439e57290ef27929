"""What did a study find? `Study`: a study file, read. Whoever writes to it meanwhile is not disturbed."""

from __future__ import annotations

import contextlib
import json
import sqlite3
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from numpy.typing import NDArray

from issun.arch.net import Net
from issun.arch.notation import parse_network
from issun.datasets.split import Split, StoredSplit, validation_mark
from issun.engine.protocol import Scaling
from issun.errors import IssunError, NetworkError, NotationError, SelectionError, StudyError
from issun.model import Model
from issun.paths import resolved
from issun.plots import frontier_figure, save_figure
from issun.provenance import DataSource, Provenance
from issun.study import frontier as choose
from issun.study.checks import check_history, check_rows, classes_of, missing_row, scaling_of, weights_of, wrong_row
from issun.study.diagnosis import never_left_chance
from issun.study.notebook import study_html
from issun.study.reading import NetworkLike
from issun.study.schema import check_is_study, check_whole, connect, told, version_of
from issun.study.statistics import guessing_limit, mean_and_deviation
from issun.study.views import Views

_TRIALS = """
SELECT t.id AS trial_id, t.network_id, n.family, n.network, n.knobs, n.parameters, n.trained, n.macs, n.bytes, n.peak_memory,
       t.recipe_id, t.split_id AS split, t.seed, t.status, t.validation_loss, t.validation_accuracy, s.images AS validation_images,
       l.epochs, e.epoch AS kept, e.train_loss, e.train_accuracy, t.seconds, t.finished
FROM trials t JOIN networks n ON n.id = t.network_id JOIN splits s ON s.id = t.split_id
     LEFT JOIN (SELECT trial_id, MAX(epoch) AS epochs FROM epochs GROUP BY trial_id) l ON l.trial_id = t.id
     LEFT JOIN epochs e ON e.trial_id = t.id AND e.epoch = COALESCE({kept}, l.epochs)
WHERE t.status != 'running'
ORDER BY n.parameters, n.network, t.recipe_id, t.split_id, t.seed
"""

_CURVES = ["train_loss", "train_accuracy", "validation_loss", "validation_accuracy"]
_HISTORY = f"SELECT {', '.join(_CURVES)} FROM epochs WHERE trial_id = ? ORDER BY epoch"

_COUNTS = ("parameters", "trained", "macs", "bytes", "peak_memory", "seed", "validation_images", "epochs", "kept")
_FLOATS = ("validation_loss", "validation_accuracy", "train_loss", "train_accuracy", "seconds")


def _share_of_largest(labels: NDArray[np.uint16]) -> float:
    """Return the share of the most frequent class: the accuracy of guessing."""
    return float(np.bincount(labels).max() / len(labels)) if len(labels) else 0.0


def _warning(row: pd.Series[Any], trial: pd.Series[Any]) -> str:
    """Return what must be said of a network that is handed over although its training failed; mostly nothing."""
    guess = f"naming always the most frequent class gives {100 * float(trial['guessing']):.2f} % on validation"
    if trial["chance"]:
        return f"this training never left chance: {guess}"
    return "" if row["beats_guessing"] else f"it does not beat guessing: {guess}"


class Study(Views):
    """A study, open for reading.

    Every property reads the file anew: a study that is being written grows while one looks at it. Whatever chooses (`networks`,
    `frontier`, `smallest`, `best`, `model`) reads validation figures only; test figures come from `test`, `with_test` and
    ``trials(test=True)``, for what was chosen.

    Parameters
    ----------
    path : str or Path

    Raises
    ------
    StudyVersionError
        When it was written by a newer issun.
    StudyError
        When there is no file, or it is no study, or damaged.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = resolved(path, StudyError)
        check_is_study(self.path)
        with self._reading() as connection:
            check_whole(connection, self.path)
            self._facts = check_rows(connection, self.path)

    @contextlib.contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        with told(self.path), contextlib.closing(connect(self.path, "mode=ro")) as connection:
            connection.row_factory = sqlite3.Row
            yield connection

    def _rows(self, query: str, values: tuple[Any, ...] = ()) -> list[dict[str, Any]]:
        with self._reading() as connection:
            return [dict(row) for row in connection.execute(query, values)]

    def _row(self, table: str, key: str, value: object) -> dict[str, Any]:
        rows = self._rows(f"SELECT * FROM {table} WHERE {key} = ?", (value,))
        if not rows:
            raise missing_row(self.path, table, {key: value})
        return rows[0]

    @property
    def about(self) -> dict[str, Any]:
        """What the results rest on.

        ``data, source, fingerprint, input, classes, images, test_images, notes`` of the data set; ``created``; ``protocol`` (None, or of
        a study that was made from a file: ``title, question, found, part, quick, as_published, watch, target, max_params, max_macs, draw``
        and ``mark``, what tables must say of it, or nothing); ``recipes`` and ``splits`` by their ids; ``trials`` (how many of each
        status); ``runs``: each with ``started, ended, command, threads, versions, machine``, the last one's ``command, versions, machine,
        threads`` also by themselves.
        """
        facts = asdict(self._facts)
        del facts["appearance"]  # for predicting, not for reading
        runs = self._rows("SELECT started, ended, command, threads, versions, machine FROM runs ORDER BY id")
        runs = [run | {"versions": json.loads(run["versions"]), "machine": json.loads(run["machine"])} for run in runs]
        last = {key: runs[-1][key] for key in ("command", "versions", "machine", "threads")} if runs else {}
        statuses = self._rows("SELECT status, COUNT(*) AS trials FROM trials GROUP BY status ORDER BY status")
        splits = self._rows("SELECT id, fraction, seed, images FROM splits ORDER BY id")
        return {
            "path": str(self.path),
            "data": facts.pop("name"),
            **facts,
            "created": self._meta("created"),
            "protocol": self._meta("protocol"),
            "recipes": {row["id"]: json.loads(row["settings"]) for row in self._rows("SELECT id, settings FROM recipes ORDER BY id")},
            "splits": {split.pop("id"): split for split in splits},
            "trials": {row["status"]: row["trials"] for row in statuses},
            **last,
            "runs": runs,
        }

    def _meta(self, key: str) -> Any:
        """Return what the study says of itself under a name; None where it says nothing, as older studies do."""
        rows = self._rows("SELECT value FROM meta WHERE key = ?", (key,))
        return json.loads(rows[0]["value"]) if rows else None

    @property
    def mark(self) -> str:
        """What must stand beside every figure of the study (``as published: watched on the test part``); mostly nothing."""
        return str((self._meta("protocol") or {}).get("mark", ""))

    @property
    def classes(self) -> tuple[str, ...]:
        """The class names in label order."""
        return self._facts.classes

    @property
    def frame(self) -> pd.DataFrame:
        """One row for each trial that ended, smallest network first; no test figures.

        Columns: ``trial_id, network_id, family, label`` (what the family is called; without a name its text)``, network, knobs,
        parameters, trained, macs, bytes, peak_memory, recipe_id, split, seed,
        status, diverged, chance`` (whether it never left chance, as a diagnosis says it)``, validation_loss, validation_accuracy,
        validation_images, guessing`` (the share of their most frequent class: what guessing reaches)``, epochs`` (that were trained)``,
        kept`` (the epoch, from 1, whose weights and figures they are)``, train_loss, train_accuracy`` (of that epoch, while the weights
        changed)``, seconds, finished``. Accuracies are fractions.
        """
        with self._reading() as connection:
            kept = "t.kept" if version_of(connection) > 1 else "NULL"
            rows = [dict(row) for row in connection.execute(_TRIALS.format(kept=kept))]
            splits = [dict(row) for row in connection.execute("SELECT id, labels FROM splits")]
        columns = ["trial_id", "network_id", "family", "network", "knobs", "parameters", "trained", "macs", "bytes", "peak_memory"]
        columns += ["recipe_id", "split", "seed", "status", "validation_loss", "validation_accuracy", "validation_images", "epochs"]
        columns += ["kept", "train_loss", "train_accuracy", "seconds", "finished"]
        frame = pd.DataFrame(rows, columns=columns)
        frame["knobs"] = [json.loads(text) for text in frame["knobs"]]
        frame = frame.astype(dict.fromkeys(_FLOATS, float) | dict.fromkeys(_COUNTS, "int64"))
        frame.insert(columns.index("status") + 1, "diverged", frame["status"] == "diverged")
        guessing = {split["id"]: _share_of_largest(np.frombuffer(split["labels"], "<u2")) for split in splits}
        frame.insert(columns.index("validation_images") + 2, "guessing", frame["split"].map(guessing).astype(float))
        frame.insert(columns.index("status") + 2, "chance", self._at_chance(frame))
        names = self._meta("labels") or {}
        keys = frame["network_id"].astype(str) + " " + frame["recipe_id"].astype(str)
        labels = [names.get(key, family) for key, family in zip(keys, frame["family"], strict=True)]
        frame.insert(columns.index("family") + 1, "label", labels)
        return frame

    def _at_chance(self, frame: pd.DataFrame) -> list[bool]:
        """Return which trials never left chance; only where the accuracy is not far from it the whole history must be read."""
        found = []
        columns = ["trial_id", "diverged", "validation_accuracy", "guessing", "validation_images"]
        with self._reading() as connection:
            for trial, diverged, accuracy, guess, images in zip(*(frame[name].tolist() for name in columns), strict=True):
                near = guess + 3 * (guessing_limit(guess, images) - guess)
                if diverged or accuracy > near:
                    found.append(False)
                    continue
                check_history(connection, self.path, trial)
                lines = pd.DataFrame([dict(line) for line in connection.execute(_HISTORY, (trial,))], columns=_CURVES)
                found.append(never_left_chance(lines.astype(float), guess, images))
        return found

    def trials(self, *, test: bool = False) -> pd.DataFrame:
        """Return `frame`, with ``test_loss`` and ``test_accuracy`` beside it where `test` asks for them (to show, not to choose)."""
        frame = self.frame
        if test:
            results = pd.DataFrame(
                self._rows("SELECT trial_id, loss AS test_loss, accuracy AS test_accuracy FROM test_results"),
                columns=["trial_id", "test_loss", "test_accuracy"],
            )
            frame = frame.merge(results.astype({"test_loss": float, "test_accuracy": float}), on="trial_id", how="left")
        return frame

    @property
    def networks(self) -> pd.DataFrame:
        """One row for each network, averaged over its seeds; see `issun.study.frontier.networks_frame`."""
        return choose.networks_frame(self.frame)

    def frontier(self) -> pd.DataFrame:
        """Return the rows of `networks` that no smaller network beats, smallest first."""
        return choose.frontier(self.networks)

    def smallest(self, accuracy: float | None = None, *, lower: bool = False) -> pd.Series[Any]:
        """Return the network with the fewest parameters that meets `accuracy` (a fraction; default: 0.01 below the best mean).

        See `issun.study.frontier.smallest`, also for the `SelectionError` where there is none.
        """
        return choose.smallest(self.networks, accuracy, lower=lower)

    def best(
        self,
        *,
        max_params: int | None = None,
        max_macs: int | None = None,
        max_bytes: int | None = None,
        max_memory: int | None = None,
    ) -> pd.Series[Any]:
        """Return the most accurate network under the given budgets; see `issun.study.frontier.best`."""
        return choose.best(self.networks, max_params=max_params, max_macs=max_macs, max_bytes=max_bytes, max_memory=max_memory)

    def network(self, network: NetworkLike | None = None) -> pd.Series[Any]:
        """Return a network's row of `networks`; where it was trained in several ways, the most accurate.

        Parameters
        ----------
        network : str, Net or Series, optional
            Its text (however it is written), its id, the network, or a row of `networks`. Default: the only one there is, or what
            `smallest()` returns.

        Raises
        ------
        SelectionError
            When the study does not hold it.
        """
        rows = self.networks
        if network is None:
            return rows.iloc[0] if len(rows) == 1 else choose.smallest(rows)
        if isinstance(network, pd.Series):
            same = [rows[column] == network[column] for column in ("network_id", "recipe_id", "split")]
            found = rows[same[0] & same[1] & same[2]]
        else:
            found = rows[rows["network_id"] == (network.id if isinstance(network, Net) else self._id(network))]
        if found.empty:
            name = network["network"] if isinstance(network, pd.Series) else network
            raise SelectionError(f"the study holds no finished network `{name}`; `networks` lists those that it holds")
        chosen: pd.Series[Any] = found.sort_values("validation", ascending=False, kind="stable").iloc[0]
        return chosen

    def _id(self, text: str) -> str:
        try:
            return str(parse_network(text, self._facts.input, len(self._facts.classes)).id)
        except (NotationError, NetworkError):
            return text

    def _trial(self, network: NetworkLike | None, seed: int | None) -> pd.Series[Any]:
        """Return the trial of a network with a seed; default: its best one on validation."""
        # A row of `networks` says itself what is needed: to average all trials again for each of many would take long.
        row = network if isinstance(network, pd.Series) and "best_seed" in network else self.network(network)
        wanted = int(row["best_seed"]) if seed is None else seed
        frame = self.frame
        same = (frame["network_id"] == row["network_id"]) & (frame["recipe_id"] == row["recipe_id"]) & (frame["split"] == row["split"])
        found = frame[same & (frame["seed"] == wanted)]
        if not same.any():
            raise SelectionError(f"the study holds no finished network `{row['network']}`; `networks` lists those that it holds")
        if found.empty:
            seeds = ", ".join(str(value) for value in sorted(frame[same]["seed"]))
            raise SelectionError(f"`seed` (={wanted}) was not trained for `{row['network']}`; its seeds are {seeds}")
        chosen: pd.Series[Any] = found.iloc[0]
        return chosen

    def history(self, network: NetworkLike | None = None, seed: int | None = None) -> pd.DataFrame:
        """Return a trial's history, one row an epoch; `network` as in `network()`, `seed` by default the best on validation.

        Columns: ``epoch`` (from 1)``, train_loss, train_accuracy, validation_loss, validation_accuracy, seconds, kept`` (whether the
        trial's weights are those after it).
        """
        columns = ["epoch", "train_loss", "train_accuracy", "validation_loss", "validation_accuracy", "seconds"]
        query = f"SELECT {', '.join(columns)} FROM epochs WHERE trial_id = ? ORDER BY epoch"
        trial = self._trial(network, seed)
        with self._reading() as connection:
            check_history(connection, self.path, str(trial["trial_id"]))
            frame = pd.DataFrame([dict(row) for row in connection.execute(query, (trial["trial_id"],))], columns=columns)
        return frame.astype(dict.fromkeys(columns[1:], float)).assign(kept=frame["epoch"] == trial["kept"])

    def weights(self, network: NetworkLike | None = None, seed: int | None = None) -> tuple[NDArray[np.float32], Scaling]:
        """Return the weights that a trial handed over, flat float32 (net.stored,), and the scaling of the input that they expect."""
        trial = self._trial(network, seed)
        key = str(trial["trial_id"])
        row = self._row("weights", "trial_id", key)
        scaling = scaling_of(self.path, key, row["scaling"], self._facts.input[2])
        return weights_of(self.path, key, row["weights"], self.net(trial).stored, finite=not trial["diverged"]), scaling

    def predictions(self, network: NetworkLike | None = None, seed: int | None = None) -> pd.DataFrame:
        """Return what a trial said of the validation images, one row an image: ``index`` (in the training part of the data)``, label,
        predicted``."""
        trial = self._trial(network, seed)
        split = self._row("splits", "id", trial["split"])
        row = self._row("predictions", "trial_id", trial["trial_id"])
        key = {"trial_id": trial["trial_id"]}
        indices, labels = np.frombuffer(split["indices"], "<i8"), np.frombuffer(split["labels"], "<u2")
        predicted = classes_of(self.path, "predictions", key, row["classes"], len(self.classes), len(indices))
        return pd.DataFrame({"index": indices, "label": labels.astype(np.int32), "predicted": predicted})

    def split(self, network: NetworkLike | None = None) -> StoredSplit:
        """Return the split that a network was trained with: its validation images are those that the study stores.

        A split that is made anew from its name may be another one, where the images were loaded in another way (without their groups, for
        example). Whatever is judged on a network's validation images asks here, or takes the ``index`` of `predictions`.

        Parameters
        ----------
        network : str, Net or Series, optional
            As in `network()`.
        """
        name = str(self.network(network)["split"])
        row = self._row("splits", "id", name)
        try:
            made = Split.named(name)
        except IssunError as error:
            raise wrong_row(self.path, "splits", {"id": name}, "id", name, f"name a split ({error})") from None
        indices = np.frombuffer(row["indices"], "<i8").tolist()
        return StoredSplit(float(row["fraction"]), int(row["seed"]), made.how, made.groups, name, tuple(indices))

    @property
    def heads(self) -> pd.DataFrame:
        """One row for each head on the features of a layer, in the order in which they were made; no test figures.

        Columns: ``id, label`` (whose features)``, network, trial_id`` (None where it is not trained)``, layer, draw, head, settings,
        features, parameters, trained, images, tried, search_images, validation, seconds, problem, finished``; see
        `issun.extraction.comparing.compare`.
        """
        return self.head_results()

    def head_results(self, *, test: bool = False) -> pd.DataFrame:
        """Return `heads`, with ``test`` beside it where that is asked for (to show, not to choose)."""
        columns = ["id", "label", "network", "trial_id", "layer", "draw", "head", "settings", "features", "parameters", "trained", "images"]
        columns += ["tried", "search_images", "validation_accuracy", "seconds", "problem", "finished"]
        with self._reading() as connection:
            known = version_of(connection) > 2
        query = f"SELECT {', '.join(f'h.{name}' for name in columns)}, t.accuracy AS test"
        rows = self._rows(f"{query} FROM heads h JOIN head_tests t ON t.head_id = h.id ORDER BY h.finished, h.id") if known else []
        frame = pd.DataFrame(rows, columns=[*columns, "test"]).rename(columns={"validation_accuracy": "validation"})
        frame["settings"] = [json.loads(text) for text in frame["settings"]]
        return frame if test else frame.drop(columns="test")

    def head_predictions(self, head_id: str) -> NDArray[np.int32]:
        """Return the class that a head gave to each validation image, in the order of `predictions`."""
        row = self._row("heads", "id", head_id)
        return classes_of(self.path, "heads", {"id": head_id}, row["classes"], len(self.classes))

    def test(self, network: NetworkLike | None = None) -> tuple[float, float]:
        """Return mean and standard deviation (NaN for one seed) of a network's test accuracy over its seeds, fractions.

        For what has been chosen, to stand beside its validation figure.
        """
        row = self.with_test(self.network(network).to_frame().T).iloc[0]
        return float(row["test"]), float(row["test_sd"])

    def with_test(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Return rows of `networks` with ``test`` and ``test_sd`` beside them: mean and deviation of the test accuracy over seeds."""
        keys = ["network_id", "recipe_id", "split"]
        measured: dict[Any, list[float]] = {}
        for *key, accuracy in self.trials(test=True)[[*keys, "test_accuracy"]].itertuples(index=False):
            measured.setdefault(tuple(key), []).append(accuracy)
        figures = [mean_and_deviation(measured[key]) for key in frame[keys].itertuples(index=False, name=None)]
        return frame.assign(test=[mean for mean, _ in figures], test_sd=[deviation for _, deviation in figures])

    def model(self, network: NetworkLike | None = None, seed: int | None = None) -> Model:
        """Return a trained network.

        Parameters
        ----------
        network : str, Net or Series, optional
            As in `network()`; default: the smallest within 0.01 of the best.
        seed : int, optional
            Default: the best one on validation. ``Model.provenance`` says which it is and how it was chosen.

        Raises
        ------
        SelectionError
            When the study does not hold it.
        ModelError
            When that trial diverged: its weights are no numbers.

        Notes
        -----
        Where nothing beats guessing there is no default: a network must be named, and ``Model.provenance.warning`` then says so, as it does
        of a seed that never left chance.
        """
        row, trial = self.network(network), self._trial(network, seed)
        weights, scaling = self.weights(row, int(trial["seed"]))
        provenance = Provenance(
            study=self.path.name,
            data=DataSource(self._facts.name, self._facts.fingerprint),
            seed=int(trial["seed"]),
            split=str(row["split"]),
            validation_images=validation_mark(np.array(self.split(row).validation, np.int64)),
            chosen=f"best of {row['seeds']} seeds on validation" if seed is None else "seed asked for",
            validation_accuracy=float(trial["validation_accuracy"]),
            mean_accuracy=float(row["validation"]),
            recipe=str(self._row("recipes", "id", row["recipe_id"])["settings"]),
            mark=self.mark,
            range=self._facts.range,
            warning=_warning(row, trial),
        )
        return Model(self.net(row), weights, scaling, self.classes, provenance, self._facts.appearance)

    def net(self, row: pd.Series[Any]) -> Net:
        """Return the network of a row of `networks` or `frame`."""
        try:
            return parse_network(str(row["network"]), self._facts.input, len(self._facts.classes))
        except IssunError as error:
            must = f"be a network that this issun can read ({error.summary})"
            raise wrong_row(self.path, "networks", {"id": row["network_id"]}, "network", row["network"], must) from None

    def plot(self, path: str | Path | None = None, *, target: float | None = None, title: str | None = None) -> Figure:
        """Draw accuracy against parameters; save it where `path` says so (its ending gives the format)."""
        networks, mark = self.networks, f" ({self.mark})" if self.mark else ""
        named = networks.assign(family=networks["label"])
        figure = frontier_figure(named, title=f"{self._facts.name if title is None else title}{mark}", target=target)
        if path is not None:
            save_figure(figure, path)
        return figure

    def __repr__(self) -> str:
        return f"Study({str(self.path)!r})"

    def _repr_html_(self) -> str:
        """The frontier, for notebooks."""
        return study_html(self)
