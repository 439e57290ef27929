"""Where does output go, and how does it become JSON?"""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console


def results() -> Console:
    """Return the console for results: stdout. Texts are printed as they are, no brackets or numbers are coloured."""
    return Console(highlight=False, markup=False, emoji=False)


def messages() -> Console:
    """Return the console for progress and remarks: stderr."""
    return Console(stderr=True, highlight=False, markup=False, emoji=False)


def warn(text: str) -> None:
    """Write what went wrong without ending the command to stderr."""
    print(f"issun: {text}", file=sys.stderr)


def remark_on(text: str) -> None:
    """Write what is good to know, but no warning, to stderr."""
    console = messages()
    console.print(text, style="dim", soft_wrap=not console.is_terminal)  # in a log a remark stays one line


def print_json(value: Mapping[str, Any]) -> None:
    """Print one JSON object to stdout. What JSON has no word for becomes null (not a number, infinity) or text (paths)."""
    print(json.dumps(_plain(value), indent=2, ensure_ascii=False, allow_nan=False))


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(entry) for entry in value]
    if isinstance(value, np.generic | np.ndarray):
        return _plain(value.tolist())
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return str(value) if isinstance(value, Path) else value
