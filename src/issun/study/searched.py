"""What a study says of a search for networks: what was asked, what was proposed and confirmed; and what follows from it."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from functools import cached_property
from typing import Any, NamedTuple

from issun.arch.notation import parse_network
from issun.cutting import is_cut
from issun.datasets.copies import Copies
from issun.datasets.split import OuterFold, Split
from issun.datasets.wanted import Shape
from issun.study.entry import Entry
from issun.study.frontier import frontier
from issun.study.query import Query
from issun.study.statistics import lower_bound, mean_and_deviation, wilson_interval

#: Means of fractions carry rounding: see `issun.study.frontier`.
_ROUNDING = 1e-9


class Candidate(NamedTuple):
    """What a search chooses: a network, by its id, and how it is trained, by the id of the full recipe."""

    network_id: str
    recipe_id: str


@dataclass(frozen=True)
class WayFacts:
    """A way of training: its name, and the ids of the recipe of a first look at a network, of the full one, and of a second look (empty
    where there is none)."""

    name: str
    short: str
    full: str
    second: str = ""

    @property
    def recipes(self) -> tuple[str, ...]:
        """All there are."""
        return tuple(one for one in (self.short, self.second, self.full) if one)


#: How it is said that searches differ, where their values would be too long.
_LONG = {"starts": "networks to start from", "ways": "recipes", "copies": "images kept together", "given": "trained networks"}


@dataclass(frozen=True)
class GivenModel:
    """A trained network that a search was given.

    Attributes
    ----------
    role : str
        ``start``: it is shrunk; ``teacher``: it teaches in all trainings.
    fingerprint : str
        As recipes name it.
    name : str
        The file that it came from, without its folder; empty where it came from none. It decides nothing.
    network : str
    parameters : int
    seen : str
        Why it is not independent of the images that judge and confirm; mostly nothing. The subject is it.
    unknown : str
        What cannot be known of the images that it has seen; mostly nothing.
    """

    role: str
    fingerprint: str
    name: str = field(compare=False)
    network: str
    parameters: int
    seen: str = ""
    unknown: str = ""

    def __str__(self) -> str:
        return f"{self.name or self.network} ({self.parameters:,} parameters, {self.fingerprint})"


@dataclass(frozen=True)
class SearchSettings:
    """How a search is set up: fixed when it begins, so that it goes on as it began.

    Attributes
    ----------
    query : Query
        With a target the smallest network that reaches it is looked for; with budgets alone the most accurate one within them.
    pareto : bool
        Whether the whole frontier within the budgets is looked for.
    sure : bool
        Whether the lower 95 % bound must reach the target, and not the mean.
    seed : int
        Of the proposals.
    lag : int
        Proposal i rests on what became of the proposals up to i - lag.
    judge, confirmation : str
        Ids of the splits whose validation images choose, and confirm.
    ways : tuple of WayFacts
        How networks may be trained.
    starts : tuple of str
        The networks that it begins with.
    space : tuple of str
        The families that it keeps to, and the values of their knobs; empty where it may change everything.
    copies : Copies or None
        The training images that are kept together because they are equal or nearly so; None in searches that did not look for them.
    choices : tuple of str
        What networks may be made of, one line for each limit, as `issun.arch.space.Space.lines`; empty where there is none.
    given : tuple of GivenModel
        The trained networks that it was given; mostly none.
    """

    query: Query
    pareto: bool
    sure: bool
    seed: int
    lag: int
    judge: str
    confirmation: str
    ways: tuple[WayFacts, ...]
    starts: tuple[str, ...]
    space: tuple[str, ...] = ()
    copies: Copies | None = None
    choices: tuple[str, ...] = ()
    given: tuple[GivenModel, ...] = ()

    @property
    def dependence(self) -> str:
        """Why its answer is not independent of the images that judge and confirm; mostly nothing."""
        return "; ".join(f"the {one.role} {one.name or one.network} {one.seen}" for one in self.given if one.seen)

    @property
    def original(self) -> str:
        """The network that is shrunk; empty where none is."""
        return next((one.network for one in self.given if one.role == "start"), "")

    def stored(self) -> str:
        """Return it as JSON, as a study keeps it."""
        return json.dumps(asdict(self))

    @classmethod
    def of_stored(cls, value: Any) -> SearchSettings:
        """Return what JSON said; raise TypeError or ValueError where it is none."""
        if not isinstance(value, dict) or not set(value) <= {field.name for field in fields(cls)}:
            raise TypeError("it has other settings than those of a search")
        value = {"space": [], "copies": None, "choices": [], "given": []} | value  # which came later
        if missing := {field.name for field in fields(cls)} - set(value):
            raise TypeError(f"it lacks {', '.join(sorted(missing))}")
        for name in ("judge", "confirmation"):
            if not isinstance(value[name], str):
                raise TypeError(f"{name}: must be text")
        if not (type(value["seed"]) is type(value["lag"]) is int and value["lag"] > 0 and value["seed"] >= 0):
            raise ValueError("seed and lag: must be whole numbers")
        for name in ("starts", "space", "choices"):
            if not (isinstance(value[name], list) and all(isinstance(one, str) for one in value[name])):
                raise TypeError(f"{name}: must be a list of texts")
        ways = tuple(WayFacts(**{name: str(text) for name, text in way.items()}) for way in value["ways"])
        given = tuple(GivenModel(**one) for one in value["given"])
        facts = [fact for one in given for fact in vars(one).items()]
        if not all(type(fact) is (int if name == "parameters" else str) for name, fact in facts):
            raise TypeError("given: must be texts, and a number of parameters")
        read: dict[str, Any] = {name: tuple(value[name]) for name in ("starts", "space", "choices")}
        read |= {"query": Query(**value["query"]), "ways": ways, "given": given}
        read["copies"] = None if value["copies"] is None else Copies.of_stored(value["copies"])
        return cls(**value | read)

    def differences(self, other: SearchSettings) -> list[str]:
        """Return in what another search differs, in words."""
        mine, theirs = ({**asdict(one.query), **asdict(one)} for one in (self, other))
        found = []
        for name in mine:
            if name == "ways" and [way.recipes for way in self.ways] == [way.recipes for way in other.ways]:
                continue  # they are called otherwise
            if name != "query" and mine[name] != theirs[name]:
                if name == "choices":
                    there, now = (" and ".join(some[name]) or "anything" for some in (mine, theirs))
                    found.append(f"networks made of {there} there, of {now} now")
                elif name in _LONG:
                    found.append(f"other {_LONG[name]}")
                else:
                    found.append(f"{name.replace('_', ' ')} {_told(mine[name])} there, {_told(theirs[name])} now")
        return found

    @property
    def outer(self) -> OuterFold | None:
        """The outer fold whose images confirm; None where a part of the training images does."""
        return Split.named(self.confirmation).outer

    def way_of(self, recipe_id: str) -> int:
        """Return which way of training a recipe belongs to."""
        return next(number for number, way in enumerate(self.ways) if recipe_id in way.recipes)


@dataclass(frozen=True)
class ProposalFacts:
    """A training that a search proposed: its number, the network with its parameters, by which recipe and with which seed; the number of
    the proposal that the network comes from (None for a start), and what was changed. `input` has the images that the network takes."""

    number: int
    network_id: str
    network: str
    input: Shape
    parameters: int
    recipe_id: str
    seed: int
    parent: int | None
    change: str


@dataclass(frozen=True)
class Opening:
    """A time that the images of confirmation were opened.

    Attributes
    ----------
    after : int
        How many proposals there were.
    finalists : tuple of Candidate
        In the order in which they were to be trained: largest first. They were fixed before.
    """

    after: int
    finalists: tuple[Candidate, ...]


@dataclass(frozen=True)
class SearchFacts:
    """A search, as a study keeps it.

    Attributes
    ----------
    settings : SearchSettings
    proposals : tuple of ProposalFacts
        In their order.
    openings : tuple of Opening
        The times that confirmation was opened; more than one where the search went on afterwards.
    seconds : float
        That it has taken so far, confirmation included.
    """

    settings: SearchSettings
    proposals: tuple[ProposalFacts, ...]
    openings: tuple[Opening, ...]
    seconds: float

    @cached_property
    def networks(self) -> int:
        """How many networks were proposed."""
        return len({one.network_id for one in self.proposals})

    def dependence(self, split: str) -> str:
        """Return why the figures on a split choose nothing (any more); mostly nothing."""
        if self.openings and split == self.settings.judge:
            return f"it was chosen among {self.networks:,} networks by these images; the images that confirm had no share in that"
        return self.settings.dependence

    def candidate(self, one: ProposalFacts) -> Candidate:
        """Return what a proposal trains."""
        return Candidate(one.network_id, self.settings.ways[self.settings.way_of(one.recipe_id)].full)

    def descent(self, candidate: Candidate) -> list[ProposalFacts]:
        """Return where a candidate comes from: the first proposals of each of its forebears, from a start on, and of itself."""
        first = {self.candidate(one): one for one in reversed(self.proposals)}
        found: list[ProposalFacts] = []
        one = first.get(candidate)
        while one is not None:
            found.append(one)
            one = None if one.parent is None else first[self.candidate(self.proposals[one.parent])]
        return found[::-1]


@dataclass(frozen=True)
class Finalist:
    """A finalist and what became of it.

    Attributes
    ----------
    judged : Entry
        With the figures of the search.
    confirmed : Entry or None
        With those of confirmation; None where it was not trained for that.
    """

    judged: Entry
    confirmed: Entry | None

    @property
    def gap(self) -> float:
        """How much better the search's own figure is than confirmation's, a fraction; nan where there is none."""
        return math.nan if self.confirmed is None else self.judged.val_accuracy_mean - self.confirmed.val_accuracy_mean


@dataclass(frozen=True)
class Step:
    """A step from a start to a network: the proposal, and the accuracy on the images that judge. That is the mean over its seeds of the
    full recipe; where there are none, that after the short one (`full` is then false); nan where neither is known. `cut` says whether it
    is the trained network that the search shrinks with fewer channels, and begins with weights of that one."""

    proposal: ProposalFacts
    accuracy: float
    full: bool
    cut: bool = False

    @property
    def change(self) -> str:
        """What was changed, in words."""
        if not self.cut:
            return self.proposal.change
        return "cut from the start" if self.proposal.parent is None else f"{self.proposal.change}, cut from the start"


@dataclass(frozen=True)
class Moment:
    """The frontier of a search after so many proposals: parameters and judged accuracy of its networks, smallest first."""

    proposals: int
    frontier: tuple[tuple[int, float], ...]


#: After which shares of the proposals the frontier is told.
_MOMENTS = (1 / 8, 1 / 4, 1 / 2, 1)


class Searched:
    """What a search has found.

    Parameters
    ----------
    facts : SearchFacts
    entries : sequence of Entry
        Those of the study.
    classes : int
        Of its images.
    """

    def __init__(self, facts: SearchFacts, entries: Sequence[Entry], classes: int) -> None:
        self.facts, self.settings, self.classes = facts, facts.settings, classes
        self._entries = [entry for entry in entries if entry.split == self.settings.judge]
        self._judged = self._on(entries, self.settings.judge)
        self._confirmed = self._on(entries, self.settings.confirmation)

    def _on(self, entries: Sequence[Entry], split: str) -> dict[Candidate, Entry]:
        full = {way.full for way in self.settings.ways}
        return {Candidate(*entry.key[:2]): entry for entry in entries if entry.split == split and entry.recipe_id in full}

    @cached_property
    def finalists(self) -> tuple[Finalist, ...]:
        """Those of the last opening, largest first; none where confirmation was never opened."""
        if not self.facts.openings:
            return ()
        known = [one for one in self.facts.openings[-1].finalists if one in self._judged]
        return tuple(Finalist(self._judged[one], self._confirmed.get(one)) for one in known)

    @property
    def again(self) -> bool:
        """Whether the search went on after confirmation was opened: then its images have had a share in what was done since."""
        openings = self.facts.openings
        return len(openings) > 1 or (len(openings) == 1 and len(self.facts.proposals) > openings[0].after)

    def meets(self, entry: Entry) -> bool:
        """Whether a confirmed network reaches the target; without a target, always."""
        target = self.settings.query.target
        if target is None:
            return True
        figure = entry.val_accuracy_lower95 if self.settings.sure else entry.val_accuracy_mean
        return figure >= target - _ROUNDING

    @cached_property
    def passed(self) -> tuple[Finalist, ...]:
        """The finalists that were confirmed, from the largest on until the first that was not."""
        found: list[Finalist] = []
        for one in self.finalists:
            if one.confirmed is None or not self.meets(one.confirmed):
                break
            found.append(one)
        return tuple(found)

    @property
    def untried(self) -> tuple[Finalist, ...]:
        """The finalists that confirmation did not come to, since the time was over or it was stopped: with more time a smaller one may
        pass. Those after one that failed are not among them."""
        passed = self.passed
        rest = self.finalists[len(passed) :]
        return tuple(one for one in rest if one.confirmed is None) if rest and rest[0].confirmed is None else ()

    @property
    def winner(self) -> Finalist | None:
        """The answer: the last that passed. None where there is none yet, or where the whole frontier was asked for."""
        return None if self.settings.pareto or not self.passed else self.passed[-1]

    @property
    def chosen(self) -> Finalist | None:
        """The answer by the search's own figures alone: the smallest finalist that reaches the target with them, or with budgets the most
        accurate one. It was fixed before confirmation was opened, so confirmation has no share in choosing it, as it has in the `winner`.
        None where no network reached the target, or where the whole frontier was asked for."""
        if self.settings.pareto:
            return None
        return next((one for one in reversed(self.finalists) if self.meets(one.judged)), None)

    @property
    def resolution(self) -> float:
        """Half the width of the 95 % interval of the answer's accuracy that its number of images allows; nan without an answer."""
        if self.winner is None or self.winner.confirmed is None:
            return math.nan
        low, high = wilson_interval(self.winner.confirmed.val_accuracy_mean, self.winner.confirmed.validation_images)
        return (high - low) / 2

    @property
    def nearest(self) -> Entry | None:
        """Before confirmation: the network that comes nearest to the target, or else the most accurate one, by the search's own figures."""
        some = [entry for entry in self._judged.values() if entry.ended_well]
        return max(some, key=lambda entry: entry.val_accuracy_mean, default=None)

    def frontier(self) -> list[Entry]:
        """Return the judged networks that no smaller one beats, by the mean over the seeds of the full recipe, smallest first."""
        return frontier(self._judged.values(), dependent=True)

    def descent(self, one: Finalist) -> list[Step]:
        """Return the steps that lead from a start to a finalist."""
        short = {(entry.network_id, entry.recipe_id): entry for entry in self._entries}
        found = []
        for proposal in self.facts.descent(Candidate(*one.judged.key[:2])):
            way = self.settings.ways[self.settings.way_of(proposal.recipe_id)]
            entry = self._judged.get(Candidate(proposal.network_id, way.full))
            looks = [short.get((proposal.network_id, recipe)) for recipe in (way.second, way.short)]
            other = next(filter(None, looks), None)
            accuracy = entry.val_accuracy_mean if entry else other.val_accuracy_mean if other else math.nan
            found.append(Step(proposal, accuracy, entry is not None, self._cut(proposal)))
        return found

    def _cut(self, one: ProposalFacts) -> bool:
        """Whether a proposal's network is the one that the search shrinks, with fewer channels."""
        if self.settings.original in ("", one.network):
            return False
        networks = (parse_network(text, one.input, self.classes) for text in (one.network, self.settings.original))
        return is_cut(*networks)

    def growth(self) -> list[Moment]:
        """Return how the frontier of the networks that the full recipe has trained grew."""
        accuracies = {
            (entry.network_id, entry.recipe_id, trial.seed): trial.val_accuracy
            for entry in self._judged.values()
            for trial in entry.trials
            if not trial.diverged
        }
        proposals = self.facts.proposals
        counts = sorted({math.ceil(share * len(proposals)) for share in _MOMENTS} - {0})
        return [Moment(count, _frontier(proposals[:count], accuracies)) for count in counts]

    def said_of(self, one: Finalist) -> dict[str, Any]:
        """Return what is said of a finalist, as plain values."""
        confirmed = one.confirmed
        said: dict[str, Any] = {"network": one.judged.network, "parameters": one.judged.parameters, "macs": one.judged.macs}
        said |= _figures("judge", one.judged) | ({} if confirmed is None else _figures("confirmation", confirmed))
        return said | {"gap": one.gap, "passed": one in self.passed}

    def as_dict(self) -> dict[str, Any]:
        """Return it as plain values."""
        facts, winner = self.facts, self.winner
        descent = [] if winner is None else self.descent(winner)
        return {
            "query": asdict(self.settings.query),
            "pareto": self.settings.pareto,
            "sure": self.settings.sure,
            "seed": self.settings.seed,
            "lag": self.settings.lag,
            "starts": list(self.settings.starts),
            "space": list(self.settings.space),
            "choices": list(self.settings.choices),
            "copies": None if self.settings.copies is None else self.settings.copies.as_dict(),
            "networks": facts.networks,
            "trainings": len(facts.proposals),
            "seconds": facts.seconds,
            "opened": [{"after": one.after, "finalists": len(one.finalists)} for one in facts.openings],
            "finalists": [self.said_of(one) for one in self.finalists],
            "winner": None if winner is None else self.said_of(winner),
            "resolution": self.resolution,
            "descent": [asdict(step.proposal) | {"accuracy": step.accuracy, "full": step.full, "cut": step.cut} for step in descent],
            "given": [asdict(one) for one in self.settings.given],
            "dependence": self.settings.dependence,
        }


def _told(value: Any) -> str:
    return "none" if value in (None, (), "") else " ".join(map(str, value)) if isinstance(value, tuple) else str(value)


def _frontier(proposals: Sequence[ProposalFacts], accuracies: Mapping[tuple[str, str, int], float]) -> tuple[tuple[int, float], ...]:
    """Return the frontier of some proposals, by the mean over the seeds of each network that has accuracies."""
    found: dict[tuple[int, str, str], list[float]] = {}
    for one in proposals:
        accuracy = accuracies.get((one.network_id, one.recipe_id, one.seed))
        if accuracy is not None:
            found.setdefault((one.parameters, one.network_id, one.recipe_id), []).append(accuracy)
    means = sorted((parameters, -math.fsum(some) / len(some)) for (parameters, *_), some in found.items())
    front: list[tuple[int, float]] = []
    for parameters, less in means:
        if not front or -less > front[-1][1]:
            front.append((parameters, -less))
    return tuple(front)


def _figures(part: str, entry: Entry) -> dict[str, Any]:
    mean, deviation = mean_and_deviation(entry.accuracies)
    bound = lower_bound(entry.accuracies, entry.validation_images, entry.folds)
    return {part: {"mean": mean, "std": deviation, "lower95": bound, "seeds": entry.seeds, "images": entry.validation_images}}
