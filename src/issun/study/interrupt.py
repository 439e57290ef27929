"""Ctrl-C, and what systems send that end a program, while a study is written: it asks the run to stop, and breaks nothing off."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator
from types import FrameType

#: Ctrl-C; `kill`, and batch systems before a job's time is over; a terminal that is closed.
_SIGNALS = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))


@contextlib.contextmanager
def interrupt_sets(stop: threading.Event) -> Iterator[None]:
    """Let signals that end a program set `stop` instead of raising in the middle of whatever happens.

    Only the main thread hears of them at all. A handler of somebody else for the others than Ctrl-C stays, and so does the decision that
    a signal is ignored (as ``nohup`` does).
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def answer(number: int, frame: FrameType | None) -> None:
        stop.set()

    with contextlib.ExitStack() as stack:
        for number in _SIGNALS:
            previous = signal.getsignal(number)
            if previous is signal.SIG_DFL or (number == signal.SIGINT and callable(previous)):
                signal.signal(number, answer)
                stack.callback(signal.signal, number, previous)
        yield


@contextlib.contextmanager
def interrupts_ignored() -> Iterator[None]:
    """Ignore Ctrl-C for the second or two in which processes are started or ended: they inherit that, and nothing is left half done."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    previous = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, previous)
