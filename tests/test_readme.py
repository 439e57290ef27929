"""The README and the pages under docs say only what is so: every command in them runs, and every option that they name exists."""

from __future__ import annotations

import re
import shlex
from importlib.util import find_spec
from pathlib import Path

import pytest

from cli_runner import Issun
from folder_of import draw, draw_photos, pixels
from places import ROOT

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
BLOCK = re.compile(r"^```(\w+)( fails)?\n(.*?)^```$", re.DOTALL | re.MULTILINE)

#: What a test of the documentation cannot do: build, train on data that is not here, serve until it is stopped. Options are checked all
#: the same.
NOT_RUN = ("make ", "source ", "pip install ", "issun sweep mnist ", "issun run studies/", "issun --help", "issun watch ")

#: The reader's photos, and the list of them.
PHOTOS = ("photos", "clean.csv")

#: Formats that are written through PyTorch here, by Keras too.
NEEDS_TORCH = ("--to torch", "--to keras")


def commands(page: Path, failing: bool) -> list[str]:
    """Return the commands of a page's console blocks, continued lines joined, comments cut."""
    blocks = [body for kind, fails, body in BLOCK.findall(page.read_text()) if kind == "console" and bool(fails) == failing]
    lines = "\n".join(blocks).replace("\\\n", " ").splitlines()
    return [line.partition("  #")[0].strip().removeprefix(".venv/bin/") for line in lines if line.strip()]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_run(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    issun = Issun(tmp_path, monkeypatch, capsys)
    monkeypatch.setenv("ISSUN_CACHE", str(tmp_path / "cache"))
    for number in range(20):  # the reader's own folder
        draw(tmp_path / "pictures" / ["owl", "hawk"][number % 2] / f"video{number // 4}_{number}.png", pixels(number, 16, 16, 3))
    draw_photos(tmp_path / "photos")
    for command in commands(page, failing=False):
        if command.startswith(NOT_RUN) or any(option in command and not find_spec("torch") for option in NEEDS_TORCH):
            continue
        program, *arguments = shlex.split(command)
        assert program == "issun", command
        quick = ["--epochs", "1", "--seeds", "1", "--target", "1%"] if arguments[0] == "sweep" else []
        if quick and arguments[1] in PHOTOS:  # so few need more steps
            quick += ["--epochs", "3", "--batch-size", "4"]
        issun.succeeds(*arguments, *quick)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_that_are_shown_to_fail_do(
    page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    issun = Issun(tmp_path, monkeypatch, capsys)
    for command in commands(page, failing=True):
        assert "^" in issun.fails(*shlex.split(command)[1:])


def test_the_sweep_on_mnist_can_be_planned(
    real_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (command,) = [command for command in commands(ROOT / "README.md", failing=False) if command.startswith("issun sweep mnist ")]
    text = Issun(tmp_path, monkeypatch, capsys).succeeds(*shlex.split(command)[1:], "--data-dir", real_data, "--dry-run")
    assert "24 networks × 3 seeds = 72 trials of 12 epochs on 54,000 images" in text


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_python_examples_run(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for kind, _, body in BLOCK.findall(page.read_text()):
        if kind == "python":
            exec(compile(body, page.name, "exec"), {})


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_options_and_links_exist(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    issun = Issun(tmp_path, monkeypatch, capsys)
    monkeypatch.setenv("COLUMNS", "200")
    commands = ("sweep", "run", "size", "train", "predict", "show", "plot", "data", "bench", "export", "features", "ablate", "project")
    commands = (*commands, "report", "watch", "search", "merge")
    known = " ".join(issun.succeeds(command, "--help") for command in commands) + issun.succeeds("--help")
    text = page.read_text()
    for script in re.findall(r"`python (\S+\.py)", text):
        assert (ROOT / script).exists(), script
    # Scripts and other programs have options of their own.
    text = re.sub(r"`(?:python|table|dask) [^`]*`|^(?:#SBATCH|dask|openssl|ssh) .*$", "", text, flags=re.MULTILINE)
    for option in set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", text)):
        assert option in known, option
    for link in re.findall(r"\]\(((?!http)[^)#]+)\)", text):
        assert (page.parent / link).exists(), link


def test_every_make_target_of_the_readme_exists() -> None:
    makefile = (ROOT / "Makefile").read_text()
    for target in set(re.findall(r"^make (\w+)", (ROOT / "README.md").read_text(), re.MULTILINE)):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target


def test_the_version_of_the_package_is_in_the_changelog_or_unreleased() -> None:
    import issun

    text = (ROOT / "CHANGELOG.md").read_text()
    assert f"## {issun.__version__}" in text or "## Unreleased" in text
