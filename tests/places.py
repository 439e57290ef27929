"""Where the project lies: what tests need that read its files."""

from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
