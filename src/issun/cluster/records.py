"""What workers send home: records of numbers and bytes (MessagePack), which are checked when they arrive. Nothing of them is unpickled."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgpack
import numpy as np
from numpy.typing import NDArray

from issun.engine.fitting import Epoch
from issun.engine.protocol import Best, Scaling, State
from issun.study.plan import Trial
from issun.training import Outcome

_FIGURES = ("val_loss", "val_accuracy", "test_loss", "test_accuracy", "seconds")


class BadRecord(ValueError):
    """What a worker sent is no record of what it was asked for."""


def packed(record: Any) -> bytes:
    """Return a record of numbers, texts, bytes, lists and dicts as bytes."""
    content: bytes = msgpack.packb(record)
    return content


def unpacked(content: object) -> Any:
    """Return the record that bytes stand for; raise `BadRecord` where they are none."""
    if not isinstance(content, bytes):
        raise BadRecord("it sent something else than bytes")
    try:
        return msgpack.unpackb(content)
    except (ValueError, msgpack.exceptions.UnpackException) as error:
        raise BadRecord(f"it sent bytes that are no record ({error})") from None


def lines_record(lines: Sequence[Epoch]) -> list[list[float]]:
    """Return a history as a record."""
    return [
        [line.epoch, *map(float, (line.train_loss, line.train_accuracy, line.val_loss, line.val_accuracy, line.seconds))] for line in lines
    ]


def lines_of(record: Any, first: int) -> list[Epoch]:
    """Return the history that a record has, whose first epoch is `first`."""
    lines = [Epoch(int(epoch), *map(float, figures)) for epoch, *figures in record]
    if [line.epoch for line in lines] != list(range(first, first + len(lines))):
        raise BadRecord("its epochs do not follow each other")
    return lines


def state_record(state: State) -> dict[str, Any]:
    """Return a state as a record."""
    best = state.best
    return {
        "weights": state.weights.tobytes(),
        "moments": state.moments.tobytes(),
        "slots": len(state.moments),
        "step": state.step,
        "epoch": state.epoch,
        "average": None if state.average is None else state.average.tobytes(),
        "best": None
        if best is None
        else [best.epoch, float(best.accuracy), float(best.loss), None if best.weights is None else best.weights.tobytes()],
    }


def state_of(record: Any, trial: Trial) -> State:
    """Return the state that a record has; raise `BadRecord` where it is none of the trial's network."""
    stored = trial.net.stored
    best = record["best"]
    weights = _floats(record["weights"], stored)
    moments = _floats(record["moments"], stored * int(record["slots"])).reshape(int(record["slots"]), -1)
    average = None if record["average"] is None else _floats(record["average"], stored)
    if best is not None:
        best = Best(int(best[0]), float(best[1]), float(best[2]), None if best[3] is None else _floats(best[3], stored))
    return State(weights, moments, int(record["step"]), int(record["epoch"]), average, best)


def outcome_record(outcome: Outcome) -> dict[str, Any]:
    """Return what came of a training as a record, without what whoever asked for it knows."""
    return {
        "state": state_record(outcome.state),
        "history": lines_record(outcome.history),
        "scaling": [list(outcome.scaling.factor), list(outcome.scaling.offset)],
        "figures": [float(getattr(outcome, name)) for name in _FIGURES],
        "predictions": outcome.validation_predictions.astype("<u2").tobytes(),
        "diverged": bool(outcome.diverged),
        "dependence": outcome.dependence,
    }


def outcome_of(record: Any, trial: Trial, images: int) -> Outcome:
    """Return what came of a trial; raise `BadRecord` where a record is none of it.

    Parameters
    ----------
    record
        As `outcome_record` makes it.
    trial : Trial
    images : int
        How many are predicted: those of its validation part.
    """
    predictions = np.frombuffer(record["predictions"], "<u2").astype(np.uint16)
    if len(predictions) != images or (images and int(predictions.max()) >= trial.net.classes):
        raise BadRecord(f"it sent no classes of the {images:,} images that were to be predicted")
    factor, offset = (tuple(map(float, some)) for some in record["scaling"])
    return Outcome(
        net=trial.net,
        recipe=trial.recipe,
        split=trial.split,
        seed=trial.seed,
        state=state_of(record["state"], trial),
        history=tuple(lines_of(record["history"], 1)),
        scaling=Scaling(factor, offset),
        validation_predictions=predictions,
        diverged=bool(record["diverged"]),
        teacher=None if trial.teacher is None else trial.teacher.facts,
        dependence=str(record["dependence"]),
        **{name: float(figure) for name, figure in zip(_FIGURES, record["figures"], strict=True)},
    )


def _floats(content: Any, count: int) -> NDArray[np.float32]:
    if not isinstance(content, bytes) or len(content) != 4 * count:
        raise BadRecord(f"it sent weights of another network than the one with {count:,} numbers")
    return np.frombuffer(content, "<f4").astype(np.float32)
