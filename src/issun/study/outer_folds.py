"""What searches in outer folds found together: each fold confirms a search of its own, which has seen none of its images.

This is nested cross-validation (Varma & Simon 2006; Cawley & Talbot 2010). It measures a way of choosing, and not one network.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from statistics import median
from typing import Any

from issun.plain import plain
from issun.study.searched import Finalist, Searched, SearchSettings
from issun.study.statistics import lower_bound, wilson_interval

#: Sizes that a frontier is told at, times powers of ten.
_STEPS = (1, 2, 5)


@dataclass(frozen=True)
class FoldSearch:
    """The search of an outer fold: the number of the fold, from 1, its study, and what was found."""

    number: int
    path: Path
    searched: Searched

    @property
    def chosen(self) -> Finalist | None:
        """What the search chose by its own figures, see `Searched.chosen`; None without one, or where it was not confirmed."""
        one = self.searched.chosen
        return None if one is None or one.confirmed is None else one

    def best_within(self, parameters: int) -> Finalist | None:
        """Return the confirmed finalist that the search's own figures call the most accurate within so many parameters."""
        some = [one for one in self.searched.finalists if one.judged.parameters <= parameters]
        best = max(some, key=lambda one: one.judged.val_accuracy_mean, default=None)
        return None if best is None or best.confirmed is None else best

    def as_dict(self) -> dict[str, Any]:
        """Return it as plain values."""
        searched, facts = self.searched, self.searched.facts
        return {
            "fold": self.number,
            "study": self.path,
            "networks": facts.networks,
            "trainings": len(facts.proposals),
            "seconds": facts.seconds,
            "again": searched.again,
            "finalists": [searched.said_of(one) for one in searched.finalists],
            "chosen": None if self.chosen is None else searched.said_of(self.chosen),
            "winner": None if searched.winner is None else searched.said_of(searched.winner),
        }


@dataclass(frozen=True)
class Pooled:
    """Confirmed networks of several outer folds, one of each: together they are measured on the images of these folds, each image once.

    Figures are fractions.
    """

    networks: tuple[Finalist, ...]

    @cached_property
    def images(self) -> int:
        """How many images measure them."""
        return sum(self._images)

    @property
    def _images(self) -> list[int]:
        return [one.confirmed.validation_images for one in self.networks if one.confirmed is not None]

    @property
    def confirmation(self) -> float:
        """The accuracy over all these images; of each image the mean over the seeds."""
        return self._mean([one.confirmed.val_accuracy_mean for one in self.networks if one.confirmed is not None])

    @property
    def judge(self) -> float:
        """The mean of the searches' own figures, with the same weights."""
        return self._mean([one.judged.val_accuracy_mean for one in self.networks])

    def _mean(self, figures: Sequence[float]) -> float:
        return sum(figure * images for figure, images in zip(figures, self._images, strict=True)) / self.images

    @property
    def lower95(self) -> float:
        """The lower 95 % bound of the accuracy, which counts images as that of an entry in folds does."""
        return lower_bound([self.confirmation], self.images, len(self.networks))

    @property
    def interval(self) -> tuple[float, float]:
        """The 95 % interval of the accuracy that the number of images allows. How far other searches would differ is not in it: no estimate
        of that from folds is unbiased (Bengio & Grandvalet 2004)."""
        return wilson_interval(min(1.0, self.confirmation), self.images)

    def as_dict(self) -> dict[str, Any]:
        """Return it as plain values."""
        figures = {"judge": self.judge, "confirmation": self.confirmation, "lower95": self.lower95, "interval": list(self.interval)}
        return {"folds": len(self.networks), "images": self.images, **figures, "gap": self.judge - self.confirmation}


@dataclass(frozen=True)
class Sizes:
    """How many parameters the networks of several folds have: the median, the least and the most."""

    median: float
    least: int
    most: int

    @classmethod
    def of(cls, networks: Sequence[Finalist]) -> Sizes | None:
        """Return those of some networks; None of none."""
        found = [one.judged.parameters for one in networks]
        return cls(median(found), min(found), max(found)) if found else None


@dataclass(frozen=True)
class OuterFolds:
    """What the searches of all outer folds found together.

    Attributes
    ----------
    folds : tuple of FoldSearch
        One for each fold, in their order; at least two.
    """

    folds: tuple[FoldSearch, ...]

    @property
    def settings(self) -> SearchSettings:
        """How the searches were set up; `judge` and `confirmation` are those of the first."""
        return self.folds[0].searched.settings

    @cached_property
    def chosen(self) -> tuple[Finalist, ...]:
        """What the searches chose by their own figures: one network of each fold that has one."""
        return tuple(one.chosen for one in self.folds if one.chosen is not None)

    @cached_property
    def winners(self) -> tuple[Finalist, ...]:
        """The answers of the folds after confirmation, which has had a share in choosing them: their sizes are telling, their figures are
        too high."""
        return tuple(one.searched.winner for one in self.folds if one.searched.winner is not None)

    @property
    def pooled(self) -> Pooled | None:
        """The figures of what was chosen, over all folds; None where no fold has chosen a network."""
        return Pooled(self.chosen) if self.chosen else None

    @property
    def met(self) -> int:
        """In how many folds what was chosen reaches the target in confirmation, too."""
        found = [
            one.searched.meets(one.chosen.confirmed) for one in self.folds if one.chosen is not None and one.chosen.confirmed is not None
        ]
        return sum(found)

    @property
    def untried(self) -> tuple[int, ...]:
        """The numbers of the folds where confirmation did not come to all finalists, since the time was over or it was stopped."""
        return tuple(one.number for one in self.folds if one.searched.untried)

    @property
    def dependence(self) -> str:
        """Why the figures are not independent of the images that judge and confirm; mostly nothing."""
        return next((told for one in self.folds if (told := one.searched.settings.dependence)), "")

    @property
    def without(self) -> tuple[int, ...]:
        """The numbers of the folds in which no network was found: they are in no figure."""
        if self.settings.pareto:
            return tuple(one.number for one in self.folds if not any(other.confirmed for other in one.searched.finalists))
        return tuple(one.number for one in self.folds if one.chosen is None)

    @property
    def again(self) -> tuple[int, ...]:
        """The numbers of the folds whose search went on after confirmation was opened, so that its figures are no longer independent."""
        return tuple(one.number for one in self.folds if one.searched.again)

    def frontier(self) -> list[tuple[int, Pooled]]:
        """Return what the frontiers of all folds reach within sizes of 1, 2, 5, 10, … parameters, where every fold that found any network
        has one so small. At each size a fold is measured by the network that its own figures call the most accurate."""
        sizes = [[other.judged.parameters for other in one.searched.finalists if other.confirmed is not None] for one in self.folds]
        sizes = [some for some in sizes if some]
        if not sizes:
            return []
        found: list[tuple[int, Pooled]] = []
        least, most = max(map(min, sizes)), max(map(max, sizes))
        for limit in (step * 10**power for power in range(len(str(most)) + 1) for step in _STEPS):
            some = Pooled(tuple(one for fold in self.folds if (one := fold.best_within(limit)) is not None))
            if limit >= least and some.networks and (not found or some != found[-1][1]):
                found.append((limit, some))
        return found

    def as_dict(self) -> dict[str, Any]:
        """Return it as plain values."""
        settings, sizes, answers = self.settings, Sizes.of(self.chosen), Sizes.of(self.winners)
        values: dict[str, Any] = plain(
            {
                "outer_folds": len(self.folds),
                "query": asdict(settings.query),
                "pareto": settings.pareto,
                "sure": settings.sure,
                "seed": settings.seed,
                "lag": settings.lag,
                "starts": list(settings.starts),
                "space": list(settings.space),
                "folds": [one.as_dict() for one in self.folds],
                "chosen": None if self.pooled is None else self.pooled.as_dict(),
                "parameters": None if sizes is None else asdict(sizes),
                "winner_parameters": None if answers is None else asdict(answers),
                "met": None if settings.query.target is None or settings.pareto else self.met,
                "confirmed": len(self.winners),
                "without_network": list(self.without),
                "again": list(self.again),
                "untried": list(self.untried),
                "dependence": self.dependence,
                "frontier": [{"parameters": limit, **some.as_dict()} for limit, some in self.frontier()] if settings.pareto else [],
            }
        )
        return values
