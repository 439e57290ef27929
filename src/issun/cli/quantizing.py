"""What `issun export --finetune` does before anything is written."""

from __future__ import annotations

from issun.cli.output import remark_on
from issun.cli.validation_part import ValidationPart
from issun.errors import IssunError
from issun.exporters.finetuning import finetune
from issun.model import Model
from issun.numbers import percent


def tuned(model: Model, part: ValidationPart | None) -> Model:
    """Return a model that was trained on for int8, or as it is where int8 loses nothing; what happens is told.

    Raises
    ------
    IssunError
        Where there are no images with labels.
    """
    if part is None:
        raise IssunError("--finetune needs the images and labels that the network was trained on: say where they are with --data")

    def told(epoch: int, accuracy: float) -> None:
        remark_on(f"fine-tuning, epoch {epoch}: int8 {percent(accuracy)}")

    done = finetune(model, part.train, part.train_labels, part.images, part.labels, on_epoch=told)
    found = f"float {percent(done.float_accuracy)}, int8 {percent(done.before)} on validation"
    if done.epoch:
        remark_on(f"{found}; fine-tuned {percent(done.after)}, after epoch {done.epoch}")
    elif done.before < done.float_accuracy:
        remark_on(f"{found}: not enough for fine-tuning, or no epoch was better")
    else:
        remark_on(f"{found}: nothing to fine-tune")
    return done.model
