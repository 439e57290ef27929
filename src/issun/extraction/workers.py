"""Work in threads that Ctrl-C need not wait for: what trains heads runs for minutes in compiled code that cannot be stopped."""

from __future__ import annotations

import queue
import threading
import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

from threadpoolctl import threadpool_limits

_Result = TypeVar("_Result")

#: What libraries warn of although it is looked after: that training did not converge stands in the table, threads are given by number.
_KNOWN = ".*(failed to converge|did not converge|Solver terminated early|parallel backend is not supported|Tensorflow not installed).*"


def run_one(task: Callable[[], _Result]) -> _Result:
    """Return what a task returns, as `run_all` does it."""
    [(_, result)] = run_all([task], 1)
    return result


def run_all(tasks: Sequence[Callable[[], _Result]], workers: int) -> Iterator[tuple[int, _Result]]:
    """Yield each task's number and result as they end, `workers` tasks at a time.

    The threads die with the process, whatever they do just then. What a task raises is raised here, and nothing new is begun.

    Parameters
    ----------
    tasks : sequence of callable
    workers : int
        With more than one, each uses one thread for its linear algebra.
    """
    waiting: queue.SimpleQueue[int] = queue.SimpleQueue()
    for number in range(len(tasks)):
        waiting.put(number)
    ended: queue.SimpleQueue[tuple[int, _Result | None, BaseException | None]] = queue.SimpleQueue()
    stop = threading.Event()

    def work() -> None:
        while not stop.is_set():
            try:
                number = waiting.get_nowait()
            except queue.Empty:
                return
            try:
                ended.put((number, tasks[number](), None))
            except BaseException as error:
                ended.put((number, None, error))

    workers = max(1, min(workers, len(tasks)))
    # Filters belong to the process, not to a thread: they are set here, once for all tasks.
    with warnings.catch_warnings(), threadpool_limits(1 if workers > 1 else None):
        warnings.filterwarnings("ignore", message=_KNOWN)
        for _ in range(workers):
            threading.Thread(target=work, daemon=True).start()
        try:
            for _ in tasks:
                number, result, error = ended.get()
                if error is not None:
                    raise error
                yield number, result  # type: ignore[misc]
        finally:
            stop.set()
