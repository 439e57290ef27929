"""Studies: which trials (`plan`), where results go (`store`), training them all (`run`), and choosing (`frontier`)."""

from issun.study.estimate import estimate
from issun.study.frontier import default_target
from issun.study.plan import DataFacts, Infeasible, Plan, Trial, plan
from issun.study.progress import Progress, Running
from issun.study.run import run
from issun.study.store import Store
from issun.study.study import Study
from issun.study.sweep import default_path, make_plan, sweep, trained_before

__all__ = [
    "DataFacts",
    "Infeasible",
    "Plan",
    "Progress",
    "Running",
    "Store",
    "Study",
    "Trial",
    "default_path",
    "default_target",
    "estimate",
    "make_plan",
    "plan",
    "run",
    "sweep",
    "trained_before",
]
