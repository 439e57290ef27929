"""Counts, bytes and accuracies as they are written for people."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence


def short_count(count: float) -> str:
    """Return a count as an axis writes it: ``932``, ``4.8k``, ``26.5k``, ``1.2M``."""
    for size, unit in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if count >= size * 0.9995:  # 999,960 is 1M, not 1000k
            text = f"{count / size:.1f}"
            return text.removesuffix(".0") + unit
    return f"{count:.0f}"


def label_count(count: float) -> str:
    """Return a count exactly where that is short (``4,802``), else rounded (``669.7k``)."""
    return f"{count:,.0f}" if count < 100_000 else short_count(count)


def counted(count: int, word: str) -> str:
    """Return ``1 network`` or ``1,200 networks``."""
    return f"{count:,} {word}" + ("" if count == 1 else "s")


def listing(words: Sequence[str]) -> str:
    """Return ``a``, ``a and b`` or ``a, b and c``."""
    return " and ".join(filter(None, (", ".join(words[:-1]), *words[-1:])))


def bytes_text(count: float) -> str:
    """Return bytes in units of 1,000: ``932 B``, ``3.7 kB``, ``2.1 MB``."""
    return f"{count:,.0f} B" if count < 1000 else f"{short_count(count)[:-1]} {short_count(count)[-1]}B"


def percent(fraction: float, digits: int = 2) -> str:
    """Return a fraction as a percentage, an en dash where it is not a number."""
    return "–" if math.isnan(fraction) else f"{100 * fraction:.{digits}f} %"


def mean_text(mean: float, deviation: float, digits: int = 2) -> str:
    """Return ``97.31 ± 0.12 %``; without the spread where there is none (one seed)."""
    if math.isnan(mean) or math.isnan(deviation):
        return percent(mean, digits)
    return f"{100 * mean:.{digits}f} ± {100 * deviation:.{digits}f} %"


def seeds_text(seeds: int, chance: int, diverged: int = 0, independent: bool = True) -> str:
    """Return what must stand beside a mean over seeds of which some failed: ``2 of 3 seeds; 1 never left chance``; else nothing.

    Where they are not independent of the validation images, that is said too.

    Parameters
    ----------
    seeds : int
        How many are in the mean; all of them, those that failed too.
    chance, diverged : int
        How many of them never left chance, and how many diverged.
    independent : bool
        Whether they have learnt from no validation image.
    """
    if not independent:
        return f"{seeds_text(seeds, chance, diverged) or (f'{seeds} seeds' if seeds > 1 else '')}; not independent".removeprefix("; ")
    failed = chance + diverged
    if not failed:
        return ""
    told = [f"{count} {what}" for count, what in ((chance, "never left chance"), (diverged, "diverged")) if count]
    if seeds == 1:
        return told[0].removeprefix("1 ")
    if chance == seeds:
        return f"none of {seeds} seeds left chance"
    return f"{seeds - failed or 'none'} of {seeds} seeds; {', '.join(told)}"


def knobs_text(knobs: Mapping[str, int]) -> str:
    """Return the knobs' values as they are typed: ``n=2`` or ``a=2 b=3``."""
    return " ".join(f"{name}={value}" for name, value in knobs.items())


def duration(seconds: float) -> str:
    """Return a time that people grasp at once: ``0.8 s``, ``42 s``, ``3 min 20 s``, ``2 h 05 min``."""
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"
