"""Build issun's wheels for Linux with zig, and check them: `make wheel`, in an environment with wheels/requirements.txt.

Every wheel is built from the sdist, so that one serves as the other. The compiler is zig's Clang for glibc 2.28 (wheels/zig.cmake).
auditwheel confirms that a wheel needs no newer one, abi3audit that it keeps to the stable ABI. What is checked ends up in dist.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
GLIBC = (2, 28)
ARCHITECTURES = ("x86_64", "aarch64")


@dataclass(frozen=True)
class Wheel:
    """One of the wheels that a release has.

    Attributes
    ----------
    tag : str
        For which Pythons: the first two parts of a wheel's tag.
    versions : tuple of str
        The Pythons that can build it.
    architecture : str
        The processors that it is for, as the kernel names them.
    """

    tag: str
    versions: tuple[str, ...]
    architecture: str

    @property
    def platform(self) -> str:
        """The third part of its tag."""
        return f"manylinux_{GLIBC[0]}_{GLIBC[1]}_{self.architecture}"

    @property
    def stable(self) -> bool:
        """Whether it serves later Pythons too."""
        return self.tag.endswith("-abi3")

    @property
    def extension(self) -> str:
        """The file of the compiled core. Its ending says whether the stable ABI was used: nanobind switches it off without a word."""
        version = self.versions[0].replace(".", "")
        ending = "abi3" if self.stable else f"cpython-{version}-{self.architecture}-linux-gnu"
        return f"issun/_native.{ending}.so"

    @property
    def environment(self) -> dict[str, str]:
        """What scikit-build-core and wheels/zig.cmake ask for when one architecture builds for another."""
        return {
            "ISSUN_ARCHITECTURE": self.architecture,
            "ISSUN_TARGET": f"{self.architecture}-linux-gnu.{GLIBC[0]}.{GLIBC[1]}",
            "_PYTHON_HOST_PLATFORM": f"linux-{self.architecture}",
            # The date of all files in it, so that the same source gives the same bytes.
            "SOURCE_DATE_EPOCH": "946684800",
            "SETUPTOOLS_EXT_SUFFIX": self.extension.removeprefix("issun/_native"),
        }


def release(architectures: tuple[str, ...] = ARCHITECTURES) -> list[Wheel]:
    """Return the wheels of a release: Python 3.11 has no stable ABI that the bindings can use, and gets its own."""
    pythons = {"cp311-cp311": ("3.11",), "cp312-abi3": ("3.12", "3.13", "3.14")}
    return [Wheel(tag, versions, architecture) for architecture in architectures for tag, versions in pythons.items()]


def find_python(versions: tuple[str, ...]) -> str | None:
    """Return a Python of the first of these versions that is installed: from PATH, or from pyenv, which keeps others off it."""
    pyenv = subprocess.run(["pyenv", "root"], capture_output=True, text=True, check=False).stdout if shutil.which("pyenv") else ""
    for version in versions:
        candidates = [
            f"python{version}",
            *map(str, sorted(Path(pyenv.strip()).glob(f"versions/{version}.*/bin/python{version}")) if pyenv else []),
        ]
        for candidate in candidates:
            if shutil.which(candidate) and subprocess.run([candidate, "-c", ""], capture_output=True, check=False).returncode == 0:
                return candidate
    return None


def unfit(wheel: Wheel, files: list[str], found: dict[str, Any]) -> str:
    """Return what speaks against a wheel's tag, by its files and by what `auditwheel show --json` found; nothing where all is well."""
    if wheel.extension not in files:
        return f"has no {wheel.extension}, but {', '.join(name for name in files if name.endswith('.so'))}"
    tag = re.fullmatch(r"manylinux_(\d+)_(\d+)_(\w+)", found["overall_tag"])
    if tag is None or tag[3] != wheel.architecture:
        return f"does not run on every {wheel.architecture} Linux"
    if (int(tag[1]), int(tag[2])) > GLIBC:
        return f"needs glibc {tag[1]}.{tag[2]}"
    return f"needs libraries beside it: {', '.join(found['external_libs'])}" if found["external_libs"] else ""


def run(*command: str | Path, **environment: str) -> str:
    """Run a command with no compiler flags but the project's own, and return its output; end with what it printed where it fails."""
    kept = {name: value for name, value in os.environ.items() if name not in ("CC", "CXX", "CFLAGS", "CXXFLAGS", "CPPFLAGS", "LDFLAGS")}
    done = subprocess.run(command, env=kept | environment, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{done.stdout}{done.stderr}\nfailed: {' '.join(map(str, command))}")
    return done.stdout


def make_sdist(output: Path, work: Path) -> Path:
    """Make the sdist in `output`, and return the folder under `work` that it was unpacked to."""
    shutil.rmtree(work, ignore_errors=True)
    run(sys.executable, "-m", "build", "--sdist", "--outdir", work, ROOT)
    (archive,) = work.glob("*.tar.gz")
    shutil.unpack_archive(archive, work)
    output.mkdir(exist_ok=True)
    shutil.copy(archive, output)
    return work / archive.name.removesuffix(".tar.gz")


def build(wheel: Wheel, python: str, source: Path, output: Path, work: Path) -> Path:
    """Build a wheel, check it, and return where it is in `output`."""
    import ziglang  # of the environment that builds

    raw = work / f"{wheel.tag}-{wheel.architecture}"
    zig = str(Path(ziglang.__file__).with_name("zig"))
    settings = (f"--config-settings=cmake.toolchain-file={ROOT / 'wheels' / 'zig.cmake'}",)
    pip = (sys.executable, "-m", "pip", "--disable-pip-version-check", "--python", shutil.which(python) or python)
    run(*pip, "wheel", "--no-deps", "--wheel-dir", raw, *settings, source, ISSUN_ZIG=zig, **wheel.environment)
    (built,) = raw.glob("*.whl")
    found = json.loads(run(sys.executable, "-m", "auditwheel", "show", "--json", built))
    if problem := unfit(wheel, zipfile.ZipFile(built).namelist(), found):
        sys.exit(f"{built.name} {problem}: auditwheel says {json.dumps(found)}")
    # Not by auditwheel repair: it names wheels of this machine's architecture only, and there is no library to bring along.
    run(sys.executable, "-m", "wheel", "tags", "--remove", f"--platform-tag={wheel.platform}", built, **wheel.environment)
    (checked,) = raw.glob(f"*-{wheel.tag}-{wheel.platform}.whl")
    if wheel.stable:
        run(sys.executable, "-m", "abi3audit", "--strict", checked)
    for old in output.glob(f"*-{wheel.tag}-{wheel.platform}.whl"):
        old.unlink()
    return Path(shutil.copy(checked, output))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--architectures", nargs="+", choices=ARCHITECTURES, default=ARCHITECTURES)
    parser.add_argument("--installed-pythons", action="store_true", help="leave out wheels whose Python is not installed here")
    options = parser.parse_args()
    wanted = [(wheel, find_python(wheel.versions)) for wheel in release(tuple(options.architectures))]
    lacking = sorted({" or ".join(wheel.versions) for wheel, python in wanted if python is None})
    if (lacking and not options.installed_pythons) or len(lacking) == 2:
        sys.exit(f"the wheels need Python {', and '.join(lacking)}: install it with its headers, and put it on PATH (or use pyenv)")
    output, work = ROOT / "dist", ROOT / "build" / "wheels" / "work"
    source = make_sdist(output, work)
    for wheel, python in wanted:
        if python is None:
            print(f"left out: {wheel.tag} for {wheel.architecture}, which needs Python {' or '.join(wheel.versions)}")
            continue
        made = build(wheel, python, source, output, work)
        print(f"{made.relative_to(ROOT)}  {made.stat().st_size / 1e6:.1f} MB", flush=True)


if __name__ == "__main__":
    main()
