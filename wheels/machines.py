"""Do the wheels work on systems that have nothing else? `make test-wheel`, as root on Debian with debootstrap and qemu-user-static.

For each of two releases of Debian and both architectures: a bare system (debootstrap), without a compiler, into which only wheels come;
then, cut off from the network (unshare), the checks of wheels/smoke.py. arm64 runs under QEMU, on the oldest processor of its kind.

What the wheels compute is compared with the build that runs this program, which is the one from the source: to the bit, and where that
differs, within the tolerance of tests/test_same_bits.py. The systems stay in build/wheels/systems.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import bits
from make_wheels import ARCHITECTURES, ROOT, Wheel, release
from smoke import System, check, file_of, require, sweep

#: Of the smooth network: how far weights may lie apart, as a share of how far training moved them, and losses.
WEIGHTS, LOSS = 2e-6, 1e-6
#: How far the mean validation accuracy over the networks of a sweep may differ: on which of 145 images a network errs depends on rounding.
ACCURACY = 0.01
#: Seeds and widths of the sweep under QEMU, which is some twenty times slower.
EMULATED = (1, "n=1..8*2")


@dataclass(frozen=True)
class Debian:
    """A bare system that a wheel is tried on.

    Attributes
    ----------
    suite : str
        The release of Debian.
    python : str
        The Python that it has.
    wheel : Wheel
    """

    suite: str
    python: str
    wheel: Wheel

    @property
    def name(self) -> str:
        return f"{self.suite}, Python {self.python}, {self.wheel.architecture}"

    @property
    def root(self) -> Path:
        return ROOT / "build" / "wheels" / "systems" / f"{self.suite}-{self.wheel.architecture}"

    @property
    def emulated(self) -> bool:
        return self.wheel.architecture != os.uname().machine

    def command(self, *program: str) -> tuple[str, ...]:
        """Return what runs one of its programs: with no network, and no variable of this machine."""
        cut_off = ("unshare", "--net", "--pid", "--fork", f"--mount-proc={self.root / 'proc'}")
        variables = ("env", "-i", "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root", "PYTHONPATH=/opt/site-packages")
        # The Cortex-A53 has what every 64-bit Arm processor has, and no more.
        processor = ("/qemu", "-cpu", "cortex-a53") if self.emulated else ()
        return (*cut_off, *variables, "chroot", str(self.root), *processor, *program)


def run(*command: str | Path) -> None:
    """Run a command; end this program with what it printed where it fails."""
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    if done.returncode:
        sys.exit(f"{done.stdout}\nfailed: {' '.join(map(str, command))}")


def bootstrap(debian: Debian) -> None:
    """Make the system, where it is not there yet."""
    root = debian.root
    if (root / "ready").exists():
        return
    shutil.rmtree(root, ignore_errors=True)
    root.parent.mkdir(parents=True, exist_ok=True)
    architecture = {"x86_64": "amd64", "aarch64": "arm64"}[debian.wheel.architecture]
    foreign = ["--foreign"] if debian.emulated else []
    run("debootstrap", "--variant=minbase", "--include=python3", f"--arch={architecture}", *foreign, debian.suite, root)
    if debian.emulated:
        # Packages are only unpacked: to set them up, this machine would have to start arm64 programs by itself.
        for package in (root / "var" / "cache" / "apt" / "archives").glob("*.deb"):
            files = subprocess.run(["dpkg-deb", "--fsys-tarfile", package], check=True, stdout=subprocess.PIPE).stdout
            subprocess.run(["tar", "-x", "--keep-directory-symlink", "-C", root], input=files, check=True)
        shutil.copy(shutil.which("qemu-aarch64-static") or "", root / "qemu")
    (root / "ready").touch()


def install(debian: Debian, file: Path) -> None:
    """Put a wheel and the wheels that it needs into the system, and nothing else: chosen for it, not for this machine."""
    site = debian.root / "opt" / "site-packages"
    shutil.rmtree(site, ignore_errors=True)
    glibcs = ("2014", "_2_17", "_2_26", "_2_27", "_2_28")
    platforms = [f"--platform=manylinux{glibc}_{debian.wheel.architecture}" for glibc in glibcs]
    chosen = ("--only-binary=:all:", "--implementation=cp", f"--python-version={debian.python}", *platforms)
    run(sys.executable, "-m", "pip", "--disable-pip-version-check", "install", "--quiet", f"--target={site}", *chosen, file, "pytest")


def try_out(debian: Debian, file: Path, seeds: int, widths: str) -> tuple[dict[str, float], Any]:
    """Check a wheel on a system; return the accuracies of its sweep and what it computes to the bit."""
    bootstrap(debian)
    install(debian, file)
    folder = debian.root / "tmp" / "issun"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    system = System(debian.name, debian.command("/usr/bin/python3"), folder, "/tmp/issun")
    compilers = [name for name in ("cc", "c++", "gcc", "g++", "clang") if (debian.root / "usr" / "bin" / name).exists()]
    require(not compilers, system, f"has a compiler: {compilers}")
    networks = system.run("-c", "import socket; print(*[name for _, name in socket.if_nameindex()])").split()
    require(networks == ["lo"], system, f"has a network: {networks}")
    found = check(system, seeds, widths)
    shutil.copy(bits.__file__, folder)
    system.run("/tmp/issun/bits.py", "/tmp/issun/bits.npz")
    return found, np.load(folder / "bits.npz")


def compare(system: str, ours: Any, theirs: Any, pairs: list[tuple[str, str]]) -> bool:
    """Print how what a wheel computes differs from another build, by instruction set; tell whether that is within tolerance."""
    close = True
    for own, other in pairs:
        rows = bits.distances(ours, theirs, own, other)
        same = sum(row[1] for row in rows)
        close = close and rows[0][2] <= WEIGHTS and rows[0][3] <= LOSS
        told = ", ".join(f"{weights:.1e}" for _, _, weights, _ in rows)
        print(
            f"{system}: {own} beside {other}: {same} of {len(rows)} networks have the same bits; distances {told}, loss {rows[0][3]:.1e}",
            flush=True,
        )
    return close


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=5, help="of the demo's sweep; under QEMU there is one")
    parser.add_argument("--architectures", nargs="+", choices=ARCHITECTURES, default=ARCHITECTURES)
    options = parser.parse_args()
    lacking = [program for program in ("debootstrap", "unshare", "dpkg-deb", "qemu-aarch64-static") if not shutil.which(program)]
    if os.getuid() != 0 or lacking:
        sys.exit(f"needs root{''.join(f', {program}' for program in lacking)}: apt install debootstrap qemu-user-static util-linux")
    source_file = ROOT / "build" / "wheels" / "source.npz"
    run(sys.executable, bits.__file__, source_file)
    source, close = np.load(source_file), True
    sets = list(dict.fromkeys(name.split()[0] for name in source.files))
    systems = {"cp311-cp311": ("bookworm", "3.11"), "cp312-abi3": ("trixie", "3.13")}
    with tempfile.TemporaryDirectory() as folder:
        expected = sweep(System("the source's build", (sys.executable,), Path(folder), folder), *EMULATED)
    for wheel in sorted(release(tuple(options.architectures)), key=lambda wheel: wheel.architecture != os.uname().machine):
        file = file_of(wheel)
        if file is None:
            sys.exit(f"dist has no wheel {wheel.tag}-{wheel.platform}: run make wheel first")
        debian = Debian(*systems[wheel.tag], wheel)
        found, computed = try_out(debian, file, *(EMULATED if debian.emulated else (options.seeds, "n=1..32*2")))
        close &= compare(debian.name, computed, source, [("baseline", "baseline")] if debian.emulated else [(name, name) for name in sets])
        if debian.emulated:
            differences = [found[network] - accuracy for network, accuracy in expected.items()]
            print(
                f"{debian.name}: accuracies differ by {np.mean(differences):+.2%} on average, at most {max(map(abs, differences)):.2%}",
                flush=True,
            )
            close &= abs(float(np.mean(differences))) <= ACCURACY
    print(f"within {WEIGHTS:g} of the weights' way, {LOSS:g} of the loss and {ACCURACY:.0%} of accuracy: {'yes' if close else 'NO'}")
    sys.exit(not close)


if __name__ == "__main__":
    main()
