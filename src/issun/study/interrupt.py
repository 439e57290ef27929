"""Ctrl-C while a study is written: it asks the run to stop, and breaks nothing off."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator
from types import FrameType


@contextlib.contextmanager
def interrupt_sets(stop: threading.Event) -> Iterator[None]:
    """Let Ctrl-C set `stop` instead of raising in the middle of whatever happens; only the main thread hears of it at all."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    previous = signal.getsignal(signal.SIGINT)
    if previous in (None, signal.SIG_IGN):  # somebody has decided that this process is not to be interrupted
        yield
        return

    def answer(number: int, frame: FrameType | None) -> None:
        stop.set()

    signal.signal(signal.SIGINT, answer)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, previous)
