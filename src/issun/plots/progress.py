"""What is going on in a sweep or a training, as lines of a log and as live pictures of a terminal."""

from __future__ import annotations

from rich.console import Group, RenderableType
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from issun.datasets.split import Split
from issun.engine.fitting import Epoch
from issun.extraction.search import HeadProgress
from issun.nas.searching import SearchProgress
from issun.numbers import counted, duration, percent
from issun.plots.curves import sparkline
from issun.study.progress import Progress
from issun.training import TrainingProgress

#: How many running trials are listed; on machines with many cores the rest is counted.
_RUNNING = 8

#: Signs of the bar: what stands beside it must fit into 80 columns.
_BAR = 18


def one_line(text: str, style: str = "") -> Text:
    """Return a text that is cut at the edge of the terminal: a live view must not change its height when a name is long."""
    return Text(text, style=style, no_wrap=True, overflow="ellipsis")


def training_picture(moment: TrainingProgress, width: int) -> RenderableType:
    """Return the live view: which network, how far, and curves of `width` signs."""
    history, net = moment.history, moment.net
    left = (moment.epochs - len(history)) * history[-1].seconds if history else None
    facts = [*_which(moment.split), f"epoch {len(history)} of {moment.epochs}"]
    facts += [f"about {duration(left)} left"] if left and left >= 1 else []
    lines: list[RenderableType] = [
        one_line(f"{net}  ({net.parameters:,} parameters) on {moment.data}"),
        one_line(" · ".join(facts), "dim"),
    ]
    if not history:
        return Group(*lines)
    curves = Table.grid(padding=(0, 2))
    parts = {
        "train": ([line.train_accuracy for line in history], history[-1].train_loss),
        "validation": ([line.val_accuracy for line in history], history[-1].val_loss),
    }
    if not history[-1].measured:
        del parts["validation"]
    limits = [accuracy for accuracies, _ in parts.values() for accuracy in accuracies]
    for name, (accuracies, loss) in parts.items():
        curve = sparkline(accuracies, width, limits)
        curves.add_row(Text(name), Text(curve, style="cyan"), Text(f"{percent(accuracies[-1])}  loss {loss:.4f}"))
    return Group(*lines, curves)


def epoch_line(line: Epoch, epochs: int, split: Split | None = None) -> str:
    """Return one epoch as one plain line; in folds, `split` says of which."""
    which = "".join(f"{words}, " for words in _which(split))
    validation = f"  validation {percent(line.val_accuracy)}, loss {line.val_loss:.4f}" if line.measured else ""
    return f"{which}epoch {line.epoch}/{epochs}  train {percent(line.train_accuracy)}, loss {line.train_loss:.4f}{validation}"


def _which(split: Split | None) -> list[str]:
    """Return which of several trainings in folds it is, in words; nothing where there is one."""
    if split is None or not split.folds:
        return []
    return [f"fold {split.fold} of {split.folds}" if split.fold else "all images"]


def head_picture(about: str, progress: HeadProgress) -> RenderableType:
    """Return one moment as a terminal shows it: a bar where it is known how much there is to do, then the words of `head_line`."""
    words = Text(head_line(about, progress), no_wrap=True, overflow="ellipsis")
    if not progress.total:
        return words
    row = Table.grid(padding=(0, 2))
    row.add_column(min_width=20, no_wrap=True)
    row.add_column(no_wrap=True, overflow="ellipsis")
    row.add_row(ProgressBar(total=progress.total, completed=progress.done, width=20), words)
    return row


def head_line(about: str, progress: HeadProgress) -> str:
    """Return one moment as one plain line: ``[3/12, about 40 s left] random, svm: C 1: validation 91.20 % (5,000 images)``."""
    left = "" if progress.seconds_left is None or progress.seconds_left < 1 else f", about {duration(progress.seconds_left)} left"
    far = f"[{progress.done}/{progress.total}{left}] " if progress.total else ""
    return f"{far}{about}, {progress.head}: {progress.event}"


def sweep_line(progress: Progress) -> str:
    """Return what just happened, or else what is going on, as one plain line."""
    ended = progress.done + progress.skipped
    left = "" if progress.seconds_left is None or progress.seconds_left < 1 else f", about {duration(progress.seconds_left)} left"
    going_on = "; ".join(f"{trial.network}  {trial.draw}, epoch {trial.epoch} of {trial.epochs}" for trial in progress.running)
    return f"[{ended}/{progress.total}{left}] {progress.event or 'training: ' + going_on}"


def search_line(progress: SearchProgress) -> str:
    """Return what just happened in a search, or else how far it is, as one plain line."""
    return f"[{_how_far(progress)}] {progress.event or 'training: ' + '; '.join(one.network for one in progress.running)}"


def _how_far(progress: SearchProgress) -> str:
    of = "" if progress.trials is None else f" of {progress.trials:,}"
    left = "" if progress.seconds_left is None else f", {duration(progress.seconds_left)} left"
    left += f", {counted(len(progress.workers), 'worker')}" if progress.workers else ""
    return f"{progress.trainings:,}{of} trainings, {progress.networks:,} networks{left}"


def search_picture(progress: SearchProgress) -> RenderableType:
    """Return the live view of a search: how far, the best so far, the frontier, what is in training now."""
    lines: list[RenderableType] = [Text(f"{_how_far(progress)} · {duration(progress.elapsed)}")]
    found, target = progress.found, progress.query.target
    if found is not None:
        what = "best so far" if target is None else f"smallest with {percent(target)}"
        sure = f"{percent(found.accuracy)} over {counted(found.seeds, 'seed')}, lower bound {percent(found.lower95)}"
        lines.append(one_line(f"{what}: {found.parameters:,} parameters, {sure}"))
        lines.append(one_line(f"  {found.network}"))
    elif target is not None:
        lines.append(one_line(f"none with {percent(target)} yet"))
    near = progress.frontier
    if found is not None:
        place = near.index(found)
        near = near[max(0, place - _RUNNING // 2) : place + 1 + _RUNNING // 2]
    for one in near[-_RUNNING - 1 :]:
        figures = f"{percent(one.accuracy):>8}  {counted(one.seeds, 'seed'):<7}"
        lines.append(one_line(f"{one.parameters:>9,} parameters  {figures}  {one.network}", "dim"))
    return Group(*lines)


def sweep_picture(progress: Progress) -> RenderableType:
    """Return the live view: how far, the best so far, what is in training now."""
    ended = progress.done + progress.skipped
    head = Table.grid(padding=(0, 2))
    head.add_column(width=_BAR)
    head.add_column(no_wrap=True)
    left = "" if progress.seconds_left is None or progress.seconds_left < 1 else f"about {duration(progress.seconds_left)} left"
    on = f" on {counted(len(progress.workers), 'worker')}" if progress.workers else ""
    facts = [f"{ended} of {progress.total} trials{on}", duration(progress.elapsed), left]
    facts += [f"{progress.diverged} diverged"] if progress.diverged else []
    head.add_row(ProgressBar(total=max(1, progress.total), completed=ended, width=_BAR), Text(" · ".join(fact for fact in facts if fact)))
    lines: list[RenderableType] = [head]
    if progress.best is not None:
        network, parameters, accuracy = progress.best
        lines.append(one_line(f"best so far {percent(accuracy)}, {parameters:,} parameters  {network}"))
    for trial in progress.running[:_RUNNING]:
        reached = "" if trial.val_accuracy is None else percent(trial.val_accuracy)
        epoch = f"{trial.epoch}/{trial.epochs}"
        lines.append(one_line(f"{epoch:>9}  {reached:>8}  {trial.parameters:>9,} parameters  {trial.draw}  {trial.network}", "dim"))
    if len(progress.running) > _RUNNING:
        lines.append(one_line(f"{'':>9}  and {len(progress.running) - _RUNNING} more", "dim"))
    return Group(*lines)
