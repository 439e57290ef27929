"""How much does one page carry? It is mailed and opened on a phone, so that every kind of content has its budget."""

from __future__ import annotations

from dataclasses import dataclass

#: Networks with more parameters do not travel: a phone would be slow to run them.
LARGEST_IN_BROWSER = 100_000

#: Mistakes of one network, where something chooses it and elsewhere.
MOST_MISTAKES, FEW_MISTAKES = 24, 6

#: Projections, and samples of the classes, in all.
MOST_PROJECTIONS, MOST_SAMPLES = 12, 30


@dataclass
class Budget:
    """What is left for the pages of networks; several studies share one page.

    Attributes
    ----------
    weights : float
        Numbers of networks, as float32: base64 makes 5.3 characters of each.
    text : float
        Characters of JSON, weights and images aside.
    more_text : float
        What the frontier may take beyond `text`.
    pixels : float
        Bytes of images.
    projections : float
    """

    weights: float = 170_000
    text: float = 800_000
    more_text: float = 500_000
    pixels: float = 450_000
    projections: float = MOST_PROJECTIONS

    @classmethod
    def part(cls, studies: int) -> Budget:
        """Return the budget of one of so many studies."""
        whole = cls()
        return cls(
            weights=whole.weights / studies,
            text=whole.text / studies,
            more_text=whole.more_text / studies,
            pixels=whole.pixels / studies,
            projections=max(1.0, whole.projections / studies),
        )


@dataclass
class LeftOut:
    """What a study's part of the page went without, counted.

    Attributes
    ----------
    pages : int
        Networks without a page of their own.
    weights, large : int
        Networks of the frontier that do not run in the page: for want of room, and since they are large.
    images : str
        Why there are none.
    reduced : int
        The factor by which images are shown smaller.
    """

    pages: int = 0
    weights: int = 0
    large: int = 0
    images: str = ""
    reduced: int = 1

    def sentences(self) -> list[str]:
        """Return what is said of it, each without a full stop."""
        found = []
        if self.images:
            found.append(f"mistakes, samples and projections: {self.images}")
        if self.reduced > 1:
            found.append(f"images at full size: they are shown reduced by {self.reduced}, so that no network runs on them in the page")
        if self.large:
            found.append(
                f"the weights of {_networks(self.large)} with more than {LARGEST_IN_BROWSER:,} parameters, which do not run in the page"
            )
        if self.weights:
            found.append(f"the weights of {_networks(self.weights)} of the frontier: all together they are too many for one page")
        if self.pages:
            found.append(f"the pages of {_networks(self.pages)}, since the study is large; the frontier's come first")
        return found


def _networks(count: int) -> str:
    return f"{count:,} network" + ("" if count == 1 else "s")
