"""`Study`: a study file, read. Whoever writes to it meanwhile is not disturbed."""

from __future__ import annotations

import contextlib
import json
import math
import os
import sqlite3
import warnings
from collections.abc import Collection, Iterable, Iterator
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray

import issun
from issun.arch.net import Net
from issun.arch.notation import parse_network
from issun.datasets.split import Split, StoredSplit, validation_mark
from issun.datasets.wanted import input_text, read_input
from issun.engine.protocol import Scaling
from issun.errors import IssunError, NetworkError, NotationError, SelectionError, StudyError
from issun.model import Model
from issun.old_names import old_attribute, warn_of
from issun.paths import resolved
from issun.provenance import DataSource, Folds, KeptEpoch, Provenance
from issun.recipe import Recipe
from issun.study import columns
from issun.study import frontier as choose
from issun.study.answer import Answer, study_html
from issun.study.curves import fold_weights, history_of
from issun.study.diagnosis import Diagnosis, diagnosis_of
from issun.study.entry import Entry, EntryKey, TrialResult, networks_frame, trials_frame, with_trials
from issun.study.facts import Facts
from issun.study.per_class import class_report, confused_pairs, confusion_matrix
from issun.study.plan import DataFacts
from issun.study.query import Query
from issun.study.readable import Judge, NetworkLike
from issun.study.remedies import Remedy, remedies
from issun.study.row_checks import check_history, classes_of, missing_row, scaling_of, weights_of, wrong_row
from issun.study.schema import check_is_study, check_whole, connect_to_read, told
from issun.study.searched import Searched
from issun.study.snapshot import Snapshot, state_of

_Study = TypeVar("_Study")


class Study:
    """A study, open for reading.

    It is read once, when it is opened; `refresh` reads it again while it grows. Between two reads all figures belong to one
    moment and agree with each other. Predictions, weights, histories and test figures are read on demand; they belong
    to finished trials, which never change.

    Selection (`entries`, `frontier`, `smallest`, `best`, `answer`, `model`) reads only validation figures; test figures come from
    `test`, `with_test` and ``trials(test=True)``, for networks that were chosen.

    Parameters
    ----------
    path : str or Path

    Raises
    ------
    StudyVersionError
        When it was written by a newer issun.
    StudyError
        When the file does not exist, is not a study, or is damaged.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = resolved(path, StudyError)
        self._state: object = None
        self.refresh()

    def refresh(self) -> bool:
        """Read changes since the last read; return whether there were any. On failure the study keeps its last state.

        Raises
        ------
        StudyError
            As where it is opened.
        """
        check_is_study(self.path)
        with self._reading() as connection:
            check_whole(connection, self.path)
            connection.execute("BEGIN")  # one moment of a study that grows
            if self._state is not None and state_of(connection) == self._state:
                return False
            snapshot = Snapshot.read(connection, self.path)
            entries, state = snapshot.entries(connection, self.path), state_of(connection)
        self._snapshot, self._entries, self._state = snapshot, entries, state
        self.__dict__.pop("searched", None)
        self._by_key = {entry.key: entry for entry in entries}
        return True

    @contextlib.contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        with told(self.path), contextlib.closing(connect_to_read(self.path)) as connection:
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
        """The data, protocol, recipes, splits and runs of the study.

        ``data, source, fingerprint, input, classes, images, test_images, notes`` of the data set; ``created``; ``protocol`` (None, or of
        a study that was made from a file: ``title, question, found, part, quick, as_published, watch, target, max_params, max_macs, draw``,
        where they were given ``max_bytes`` and ``max_memory``, and ``mark``, a remark that tables must show, or nothing); ``recipes`` and
        ``splits`` by their ids; ``trials`` (how many of each status); ``runs``: each with ``started, ended, command, threads, versions,
        machine``, the last one's ``command, versions, machine, threads`` also by themselves.
        """
        return {"path": str(self.path), **self.facts.as_dict()}

    @property
    def facts(self) -> Facts:
        """What the results rest on, as a record; `about` is the same in plain values."""
        return self._snapshot.facts

    @property
    def mark(self) -> str:
        """A remark to show beside every figure of the study (``as published: watched on the test part``); usually empty."""
        return self.facts.protocol.mark

    @property
    def query(self) -> Query:
        """The query of the study file that it was made from, or of its search; without either, an empty query."""
        return self.facts.protocol.query if self.facts.search is None else self.facts.search.settings.query

    @property
    def classes(self) -> tuple[str, ...]:
        """The class names in label order."""
        return self.facts.data.classes

    @property
    def entries(self) -> tuple[Entry, ...]:
        """Every trained network, by recipe and split, each with its finished trials. Smallest first."""
        return self._entries

    @cached_property
    def searched(self) -> Searched | None:
        """What the search has found whose networks these are; None where there was none."""
        return None if self.facts.search is None else Searched(self.facts.search, self.entries, len(self.classes))

    @property
    def ended(self) -> frozenset[str]:
        """The ids of all trials that have ended; in folds those of the single folds, which are no entries, among them."""
        return frozenset(row["trial_id"] for row in self._snapshot.trials)

    @property
    def incomplete(self) -> int:
        """How many networks have a seed whose folds have not all ended, or that is not trained on all images yet."""
        return self._snapshot.incomplete

    def trials_dataframe(self, *, test: bool = False) -> pd.DataFrame:
        """Return one row for each finished trial, smallest network first.

        Columns: ``trial_id, network_id, family, label`` (the family's name, or else its text)``, network, knobs,
        parameters, trainable_params, macs, bytes, peak_memory, recipe_id, split, input, seed,
        status, diverged, chance`` (whether it never left chance, as a diagnosis says it)``, val_loss, val_accuracy,
        validation_images, guessing`` (the accuracy of always predicting the most frequent class)``, epochs`` (that were trained)``,
        kept`` (the epoch, from 1, whose weights and figures they are)``, train_loss, train_accuracy`` (of that epoch, while the weights
        changed)``, seconds, finished, instruction_set, compiler, processor`` (what computed it; empty in studies of an older
        issun)``; and ``test_loss, test_accuracy`` where `test` asks for them, to show, not to choose. Accuracies
        are fractions.
        """
        frame = trials_frame(self.entries)
        if test:
            results = self.test_results()
            figures = [results.get(trial, (math.nan, math.nan)) for trial in frame[columns.TRIAL_ID]]
            for place, name in enumerate((columns.TEST_LOSS, columns.TEST_ACCURACY)):
                frame[name] = np.array([figure[place] for figure in figures], float)
        return frame

    frame = old_attribute("frame", "trials_dataframe()", lambda study: study.trials_dataframe())

    def trials(self, *, test: bool = False) -> pd.DataFrame:
        """Return `trials_dataframe`. Deprecated."""
        warn_of("Study.trials()", "trials_dataframe()")
        return self.trials_dataframe(test=test)

    def test_results(self) -> dict[str, tuple[float, float]]:
        """Return loss and accuracy on the test part by trial id: to show for chosen networks, never to choose."""
        rows = self._rows("SELECT trial_id, loss, accuracy FROM test_results")
        return {row["trial_id"]: (math.nan if row["loss"] is None else row["loss"], row["accuracy"]) for row in rows}

    @property
    def networks(self) -> pd.DataFrame:
        """One row for each of `entries`, in their order; see `issun.study.entry.networks_frame`."""
        return networks_frame(self.entries)

    def frontier(self) -> pd.DataFrame:
        """Return the rows of `networks` that no smaller network beats, smallest first."""
        return networks_frame(choose.frontier(self.entries))

    def smallest(self, accuracy: float | None = None, *, lower: bool = False) -> Entry:
        """Return the network with the fewest parameters that reaches `accuracy` (a fraction; default: 0.01 below the best mean).

        See `issun.study.frontier.smallest`, also for the `SelectionError` where there is none.
        """
        return choose.smallest(self.entries, accuracy, lower=lower)

    def best(
        self,
        *,
        max_params: int | None = None,
        max_macs: int | None = None,
        max_bytes: int | None = None,
        max_memory: int | None = None,
    ) -> Entry:
        """Return the most accurate network under the given budgets; see `issun.study.frontier.best`."""
        return choose.best(self.entries, Query(None, max_params, max_macs, max_bytes, max_memory).budgets)

    def answer(self, query: Query | None = None, *, trials: Collection[str] | None = None, families: Iterable[str] = ()) -> Answer:
        """Return the answer to a query: the frontier, the smallest network that reaches the target, and the best within the budgets.

        Parameters
        ----------
        query : Query, optional
            Default: `query`, what its study file asks for.
        trials : collection of str, optional
            Ids of the trials to use; default: all.
        families : iterable of str
            Labels of families to list first.
        """
        entries = self.entries if trials is None else choose.marked(with_trials(self.entries, trials))
        return Answer(self, self.query if query is None else query, entries, families)

    def network(self, network: NetworkLike | None = None) -> Entry:
        """Return a network of the study; where it was trained in several ways, or at several inputs, the most accurate.

        Parameters
        ----------
        network : str, Net, Entry or Series, optional
            Its text (in any spelling), its id, the network, an entry, or a row of `networks`. Where the study has several inputs, a
            text may name one: ``"24x24 gray: conv 4, pool, dense"`` or ``"24x24x1: …"``. Default: what a search has found; the only one;
            or else the result of `smallest()`.

        Raises
        ------
        SelectionError
            When the study does not have it.
        """
        entries = self.entries
        if network is None:
            if self.searched is not None and (winner := self.searched.winner) is not None and winner.confirmed is not None:
                return winner.confirmed
            return entries[0] if len(entries) == 1 else choose.smallest(entries)
        if isinstance(network, Entry):
            found = [network] if network.key in self._by_key else []
        elif isinstance(network, pd.Series):
            key = EntryKey(*(network[name] for name in EntryKey._fields))
            found = [self._by_key[key]] if key in self._by_key else []
        else:
            wanted = {network.id} if isinstance(network, Net) else self._ids(network)
            found = [entry for entry in entries if entry.network_id in wanted]
        if not found:
            name = network.title if isinstance(network, Entry) else network.network if isinstance(network, pd.Series) else network
            raise SelectionError(f"the study has no finished network `{name}`; list them with `issun show --all` (in Python `networks`)")
        return choose.most_accurate(found)

    def _ids(self, text: str) -> set[str]:
        """Return the ids that a text may mean: that of the network at the input that it names, or else at each of the study's."""
        before, colon, network = text.partition(":")
        shape = read_input(before) if colon else None
        if shape is not None and self.facts.data_at(shape) is None:
            known = ", ".join(input_text(data.input) for data in self.facts.inputs)
            raise SelectionError(f"the study has no network of the input {before.strip()!r}; its inputs are {known}")
        found = {text}
        for data in self.facts.inputs:
            if shape in (None, data.input):
                with contextlib.suppress(NotationError, NetworkError):
                    found.add(parse_network(text if shape is None else network, data.input, len(data.classes)).id)
        return found

    def data_of(self, network: NetworkLike | None = None) -> DataFacts:
        """Return the facts of the images that a network takes: of several inputs its own; arguments and errors as of `network`."""
        entry = self.network(network)
        return self.facts.data_at(entry.input) or self.facts.data  # every network was checked to name one of them

    def _trial(self, network: NetworkLike | None, seed: int | None) -> tuple[Entry, TrialResult]:
        """Return a network and its trial with a seed; default: its best one on validation."""
        entry = self.network(network)
        if seed is None:
            return entry, entry.best_trial
        trial = self._by_key[entry.key].trial(seed)
        if trial is None:
            seeds = ", ".join(str(trial.seed) for trial in self._by_key[entry.key].trials)
            raise SelectionError(f"`seed` (={seed}) was not trained for `{entry.title}`; its seeds are {seeds}")
        return entry, trial

    def history(self, network: NetworkLike | None = None, seed: int | None = None) -> pd.DataFrame:
        """Return a trial's history, one row an epoch; `network` as in `network()`, `seed` by default the best on validation.

        Columns: ``epoch`` (from 1)``, train_loss, train_accuracy, val_loss, val_accuracy, seconds, kept`` (whether the
        trial's weights are from this epoch). In folds they are means over the folds, see `issun.study.curves.history_of`.
        """
        _, trial = self._trial(network, seed)
        with self._reading() as connection:
            check_history(connection, self.path, trial.trial_id)
            frame = history_of(connection, trial.trial_id)
        return frame.assign(kept=frame["epoch"] == trial.kept)

    def weights(self, network: NetworkLike | None = None, seed: int | None = None) -> tuple[NDArray[np.float32], Scaling]:
        """Return the weights of a trial, flat float32 (net.stored,), and the input scaling that they expect."""
        entry, trial = self._trial(network, seed)
        row = self._row("weights", "trial_id", trial.trial_id)
        scaling = scaling_of(self.path, trial.trial_id, row["scaling"], entry.input[2])
        stored = self.net(entry).stored
        return weights_of(self.path, trial.trial_id, row["weights"], stored, finite=not trial.diverged), scaling

    def predictions(self, network: NetworkLike | None = None, seed: int | None = None) -> pd.DataFrame:
        """Return a trial's predictions for the validation images, one row per image: ``index`` (in the training part of the data)``, label,
        predicted``."""
        entry, trial = self._trial(network, seed)
        split = self._row("splits", "id", entry.split)
        row = self._row("predictions", "trial_id", trial.trial_id)
        key = {"trial_id": trial.trial_id}
        indices, labels = np.frombuffer(split["indices"], "<i8"), np.frombuffer(split["labels"], "<u2")
        predicted = classes_of(self.path, "predictions", key, row["classes"], len(self.classes), len(indices))
        return pd.DataFrame({"index": indices, "label": labels.astype(np.int32), "predicted": predicted})

    def class_report(self, network: NetworkLike | None = None, seed: int | None = None) -> pd.DataFrame:
        """Return precision, recall, F1 and support of each class on validation; see `issun.study.per_class.class_report`."""
        said = self.predictions(network, seed)
        return class_report(confusion_matrix(said["label"], said["predicted"], len(self.classes)), self.classes)

    def confused(self, network: NetworkLike | None = None, seed: int | None = None, *, most: int = 10) -> pd.DataFrame:
        """Return the pairs of classes most confused on validation; see `issun.study.per_class.confused_pairs`."""
        said = self.predictions(network, seed)
        return confused_pairs(confusion_matrix(said["label"], said["predicted"], len(self.classes)), self.classes, most)

    def diagnosis(self, network: NetworkLike | None = None, seed: int | None = None) -> Diagnosis:
        """Return the diagnosis of the learning curves of a network, or of one of its trials, and a suggestion.

        See `issun.study.diagnosis.diagnose`.
        """
        return diagnosis_of(self, self.network(network), seed)

    def remedies(self) -> list[Remedy]:
        """Return the effects of dropout, l1, l2, augmentation, early stopping and more epochs, where trained with and without them."""
        return remedies(self)

    def split(self, network: NetworkLike | None = None) -> StoredSplit:
        """Return the split that a network was trained with: its validation images are those that the study stores.

        A split recreated from its name may differ where the images were loaded in another way (for example without their groups).
        example). Whatever is judged on a network's validation images asks here, or takes the ``index`` of `predictions`.

        Parameters
        ----------
        network : str, Net, Entry or Series, optional
            As in `network()`.
        """
        name = self.network(network).split
        row = self._row("splits", "id", name)
        try:
            made = Split.named(name)
        except IssunError as error:
            raise wrong_row(self.path, "splits", {"id": name}, "id", name, f"name a split ({error})") from None
        indices = np.frombuffer(row["indices"], "<i8").tolist()
        neither: tuple[int, ...] = ()
        if made.aside and self.facts.search is not None:  # those that confirm
            others = self._row("splits", "id", self.facts.search.settings.confirmation)
            neither = tuple(np.frombuffer(others["indices"], "<i8").tolist())
        kept = float(row["fraction"]), int(row["seed"]), made.how, made.groups, made.folds, made.fold, made.aside, made.outer
        return StoredSplit(*kept, name=name, validation=tuple(indices), neither=neither)

    @property
    def heads(self) -> pd.DataFrame:
        """One row for each head on the features of a layer, in the order in which they were made; no test figures.

        Columns: ``id, label`` (whose features)``, network, trial_id`` (None where it is not trained)``, layer, draw, head, settings,
        features, parameters, trainable_params, images, tried, search_images, val_accuracy, seconds, problem, finished``; see
        `issun.extraction.comparing.compare`.
        """
        return self.head_results()

    def head_results(self, *, test: bool = False) -> pd.DataFrame:
        """Return `heads`, with the column ``test_accuracy`` if `test` is true (to show, not to choose)."""
        rows = [{name: row[column] for name, column in columns.HEADS.items()} for row in self._snapshot.heads]
        frame = pd.DataFrame(rows, columns=list(columns.HEADS))
        frame["settings"] = [json.loads(text) for text in frame["settings"]]
        if test:
            tests = {row["head_id"]: row["accuracy"] for row in self._rows("SELECT head_id, accuracy FROM head_tests")} if rows else {}
            frame[columns.TEST_ACCURACY] = [tests.get(head, math.nan) for head in frame["id"]]
        return frame

    def head_predictions(self, head_id: str) -> NDArray[np.int32]:
        """Return the class that a head gave to each validation image, in the order of `predictions`."""
        row = self._row("heads", "id", head_id)
        return classes_of(self.path, "heads", {"id": head_id}, row["classes"], len(self.classes))

    def test(self, network: NetworkLike | None = None) -> tuple[float, float]:
        """Return the mean and standard deviation (NaN for one seed) of a network's test accuracy over its seeds, as fractions.

        For chosen networks, to show beside their validation figures.
        """
        return self.answer(Query()).test(self.network(network))

    def with_test(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Return rows of `networks` with ``test_accuracy_mean`` and ``test_accuracy_std`` beside them, over seeds."""
        answer = self.answer(Query())
        figures = [answer.test(self.network(row)) for _, row in frame.iterrows()]
        return frame.assign(**{columns.TEST_MEAN: [mean for mean, _ in figures], columns.TEST_STD: [spread for _, spread in figures]})

    def model(self, network: NetworkLike | None = None, seed: int | None = None) -> Model:
        """Return a trained network.

        Parameters
        ----------
        network : str, Net, Entry or Series, optional
            As in `network()`; default: the smallest within 0.01 of the best.
        seed : int, optional
            Default: the best one on validation. ``Model.provenance`` records which it is and how it was chosen.

        Raises
        ------
        SelectionError
            When the study does not have it.
        ModelError
            When that trial diverged: its weights are not finite.

        Notes
        -----
        Where no network beats guessing there is no default: a network must be named, and ``Model.provenance.warning`` says so, as
        for a seed that never left chance.
        """
        entry, trial = self._trial(network, seed)
        weights, scaling = self.weights(entry, trial.seed)
        folds = Folds(entry.folds, entry.validation_images) if entry.folds > 1 else None
        data = self.data_of(entry)
        provenance = Provenance(
            study=self.path.name,
            data=DataSource(data.name, data.fingerprint),
            seed=trial.seed,
            split=entry.split,
            validation_images="" if folds else validation_mark(np.array(self.split(entry).validation, np.int64)),
            chosen=_chosen(entry) if seed is None else "requested seed",
            folds=folds,
            epoch=KeptEpoch(trial.kept, trial.epochs) if folds else None,
            val_accuracy=trial.val_accuracy,
            val_accuracy_mean=entry.val_accuracy_mean,
            recipe=self.facts.recipes[entry.recipe_id],
            mark=self.mark,
            range=data.range,
            test_share=data.test,
            fitting=data.fitting,
            warning=_warning(entry, trial),
            teacher=str(self.facts.teachers.get(self.recipe(entry.recipe_id).teacher or "", "")),
            dependence=entry.dependence,
        )
        return Model(self.net(entry), weights, scaling, self.classes, provenance, data.appearance)

    def judges(self, network: NetworkLike | None = None, seed: int | None = None) -> list[Judge]:
        """Return the models that `predictions` come from, in folds one a fold that did not diverge; arguments and errors as of `model`."""
        entry, trial = self._trial(network, seed)
        model, channels = self.model(entry, trial.seed), entry.input[2]
        with self._reading() as connection:
            rows = fold_weights(connection, trial.trial_id)
        found = []
        for fold, images, scaling, content in rows:
            weights = weights_of(self.path, fold, content, model.net.stored, finite=False)
            if np.isfinite(weights).all():
                own = replace(model, weights=weights, scaling=scaling_of(self.path, fold, scaling, channels))
                found.append(Judge(own, np.frombuffer(images, "<i8")))
        return found or [Judge(model, np.array(self.split(entry).validation, np.int64))]

    def net(self, network: NetworkLike) -> Net:
        """Return the network itself, with its layers."""
        if isinstance(network, Net):
            return network
        entry = self.network(network)
        try:
            return parse_network(entry.network, entry.input, len(self.classes))
        except IssunError as error:
            must = f"be a network that this issun can read ({error.summary})"
            raise wrong_row(self.path, "networks", {"id": entry.network_id}, "network", entry.network, must) from None

    def recipe(self, recipe_id: str) -> Recipe:
        """Return a recipe of the study. Settings of later versions of issun, which it does not store, have their defaults."""
        return Recipe.of_stored(json.loads(self.facts.recipes[recipe_id]))

    def picture(self, kind: str, path: str | Path | None = None, **wanted: Any) -> Any:
        """Draw a picture of the study. Deprecated: `issun.plot` does it."""
        warnings.warn("study.picture(kind, …) is now issun.plot(study, kind, …)", DeprecationWarning, stacklevel=2)
        macs = wanted.pop("size", "parameters") == "macs"
        return issun.plot(self, kind, path, macs=macs, **wanted)

    def plot(self, path: str | Path | None = None, *, target: float | None = None, title: str | None = None) -> Any:
        """Draw accuracy against parameters. Deprecated: `issun.plot` does it."""
        warnings.warn('study.plot(path) is now issun.plot(study, "frontier", path)', DeprecationWarning, stacklevel=2)
        return issun.plot(self, "frontier", path, target=target, title=title)

    def __repr__(self) -> str:
        return f"Study({str(self.path)!r})"

    def _repr_html_(self) -> str:
        """The frontier, for notebooks."""
        return study_html(self.answer(Query()))


def _chosen(entry: Entry) -> str:
    return f"first of {entry.seeds} seeds, which confirm a search" if entry.confirms else f"best of {entry.seeds} seeds on validation"


def opened(study: _Study | str | os.PathLike[str]) -> _Study | Study:
    """Return a study as it is, or open the one at a path."""
    return Study(Path(study)) if isinstance(study, str | os.PathLike) else study


def _warning(entry: Entry, trial: TrialResult) -> str:
    """Return what must be said of a network that is handed over although its training failed, or it is not independent; mostly nothing."""
    guess = f"always predicting the most frequent class gives {100 * entry.guessing:.2f} % on validation"
    said = [f"this training never left chance: {guess}"] if trial.chance else []
    if not trial.chance and not entry.beats_guessing:
        said.append(f"it does not beat guessing: {guess}")
    if not entry.independent:
        said.append(f"its validation accuracy is not that of images that it has never learnt from: {entry.dependence}")
    return "; ".join(said)
