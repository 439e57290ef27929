"""Studies: which trials (`plan`), where results go (`store`), training them all (`run`), reading (`study`) and choosing (`answer`)."""

from issun.study.answer import Answer
from issun.study.entry import Entry
from issun.study.forecast import estimate
from issun.study.plan import DataFacts, Infeasible, Plan, Trial, plan
from issun.study.progress import Progress, Running
from issun.study.query import Query
from issun.study.store import Store
from issun.study.study import Study
from issun.study.sweep import default_path, make_plan, trained_before
from issun.study.workers import run

__all__ = [
    "Answer",
    "DataFacts",
    "Entry",
    "Infeasible",
    "Plan",
    "Progress",
    "Query",
    "Running",
    "Store",
    "Study",
    "Trial",
    "default_path",
    "estimate",
    "make_plan",
    "plan",
    "run",
    "trained_before",
]
