"""How `study-v1.sqlite` was made, when studies had version 1: python tests/golden/make_study_v1.py NEW_FILE

The file itself is kept and never made anew, since it must open for ever. It holds two networks with two seeds each, one that diverged,
and one that was stopped after two of its four epochs.
"""

from __future__ import annotations

import contextlib
import sys
import threading
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from issun.errors import Cancelled
from small_study import pretend, run_small, small_plan  # it stands beside this folder


def make(path: Path) -> None:
    """Write the study."""
    run_small(path, small_plan("dense n, dense", "n=1,2"), command="issun sweep digits")
    run_small(path, small_plan("conv 1, pool, dense", seeds=(0,), learning_rate=1e9))
    stop = threading.Event()

    def stopped(*arguments: Any, on_epoch: Any, **options: Any) -> Any:
        def keep(line: Any, state: Any) -> None:
            on_epoch(line, state)
            if line.epoch == 2:
                stop.set()
                options["cancel"].wait(60)

        return pretend(*arguments, on_epoch=keep, **options)

    with contextlib.suppress(Cancelled):
        run_small(path, small_plan("dense 3, dense", seeds=(0,)), train=stopped, cancel=stop)


if __name__ == "__main__":
    make(Path(sys.argv[1]))
