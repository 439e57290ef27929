"""Reports for tests: one of a study that was really trained, and contents that are made up, of any size."""

from __future__ import annotations

import random
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from issun.datasets.dataset import Dataset
from issun.pages.one_file import page, write_page
from issun.study import Study
from issun.training import train_network
from issun.webpage import content
from small_study import digits, run_small, small_plan

TRAINED = ("conv n, pool, dense d, dense", "n=2,8", "d=8,24", "dense k, dense", "k=4,12,40")


@dataclass(frozen=True)
class Report:
    """A report of a study, its images, what it says and the file that it is."""

    study: Study
    dataset: Dataset
    content: dict[str, Any]
    path: Path


def trained_report(folder: Path) -> Report:
    """Train seven small networks on digits, which takes a second or two, and write their report."""
    dataset = digits(1400)
    plan = small_plan(*TRAINED, epochs=14, dataset=dataset, learning_rate=0.005)
    run_small(folder / "digits.sqlite", plan, train=train_network, dataset=dataset)
    study = Study(folder / "digits.sqlite")
    said = content([study], data=dataset)
    return Report(study, dataset, said, written(said, folder / "digits.html"))


def written(said: dict[str, Any], path: Path) -> Path:
    """Write a report and return where it is."""
    write_page(page(said), path)
    return path


def made_up(networks: int, *, families: int = 3, classes: tuple[str, ...] = tuple("0123456789"), **changes: Any) -> dict[str, Any]:
    """Return the content of a study that nobody made; ``changes`` replace parts of its study."""
    draw = random.Random(networks)
    records = sorted((network(draw, number % families) for number in range(networks)), key=lambda record: record["parameters"])
    best = 0.0
    for record in records:
        record["frontier"] = record["validation"]["mean"] > best
        best = max(best, record["validation"]["mean"])
    study = {
        "name": "made up",
        "data": "nothing",
        "message": None,
        "running": False,
        "target": None,
        "default_target": best - 0.01,
        "max_params": None,
        "max_macs": None,
        "draw": [],
        "remedies": [],
        "networks": records,
        "details": [],
        "images": None,
        "heatmap": None,
        "heads": None,
        "left_out": [],
        "about": {
            "data": "nothing",
            "input": [8, 8, 1],
            "classes": list(classes),
            "images": 100,
            "test_images": 20,
            "notes": [],
            "fingerprint": "0",
            "created": "2026-01-01T00:00:00+00:00",
            "splits": [],
            "seeds": [0, 1],
            "recipes": [],
            "trials": {},
            "machine": {},
            "versions": {},
            "threads": 1,
            "seconds": 1.0,
            "command": "issun sweep",
            "mark": "",
            "question": "",
        },
    }
    return {"format": 1, "issun": "0", "title": "Made up", "studies": [study | changes]}


def network(draw: random.Random, family: int) -> dict[str, Any]:
    """Return the record of one network; larger ones are mostly better."""
    size = draw.randint(1, 400)
    parameters = 30 * size + draw.randint(0, 25)
    mean = round(1 - 0.6 / (1 + size / 10) - draw.random() * 0.05, 6)
    text = f"conv {size}, dense{' ' * family}"
    return {
        "id": f"{draw.random():.12f}",
        "label": f"conv n, dense {family}",
        "family": f"conv n, dense {family}",
        "network": text,
        "knobs": {"n": size},
        "parameters": parameters,
        "trainable_params": parameters,
        "macs": 7 * parameters + size,
        "bytes": 4 * parameters,
        "peak_memory": 100,
        "seconds": round(draw.random() * size / 10 + 0.01, 3),
        "recipe": "r",
        "split": "s",
        "test": None,
        "validation": {"mean": mean, "sd": 0.004, "low": mean - 0.01, "high": min(1.0, mean + 0.01), "n": 2, "images": 50},
        "diverged": 0,
        "chance": 0,
        "failed": "",
        "guessing": 0.1,
        "beats_guessing": True,
        "independent": True,
        "best_seed": 0,
        "frontier": False,
        "trials": [],
        "detail": None,
    }
