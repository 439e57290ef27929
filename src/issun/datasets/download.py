"""The named data sets: their sources, the checksums of their files, and downloads from whichever mirror sends the right bytes.

One file over HTTP is resumed where it was interrupted, refused where it cannot be the file, and ended where it is too slow.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from issun.errors import DataError, DownloadError


@dataclass(frozen=True)
class Source:
    """The files of a data set.

    Attributes
    ----------
    mirrors : tuple of str
        Addresses that end in a slash, tried in this order; each has every file.
    files : mapping of str to str
        File names and the MD5 sums that their publishers state. MD5 tells a damaged or wrong file; what is in it is checked again when
        it is read, and nothing in it is ever run.
    """

    mirrors: tuple[str, ...]
    files: Mapping[str, str]


def _idx(*sums: str) -> dict[str, str]:
    """Name the four IDX files in the order in which their sums are given."""
    names = [f"{part}-{kind}-ubyte.gz" for part in ("train", "t10k") for kind in ("images-idx3", "labels-idx1")]
    return dict(zip(names, sums, strict=True))


#: By the name of the data set. LeCun's own host of MNIST often refuses, so that it stands last.
SOURCES: dict[str, Source] = {
    "mnist": Source(
        (
            "https://ossci-datasets.s3.amazonaws.com/mnist/",
            "https://storage.googleapis.com/cvdf-datasets/mnist/",
            "http://yann.lecun.com/exdb/mnist/",
        ),
        _idx(
            "f68b3c2dcbeaaa9fbdd348bbdeb94873",
            "d53e105ee54ea40749a09fcbcd1e9432",
            "9fb629c4189551a2d022fa330f9573f3",
            "ec29112dd5afa0611ce80d1b7f02629c",
        ),
    ),
    "fashion-mnist": Source(
        (
            "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
            "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/",
            "https://storage.googleapis.com/tensorflow/tf-keras-datasets/",  # the copy that Keras downloads
        ),
        _idx(
            "8d4fb7e6c68d591d4c3dfef9ec88bf0d",
            "25c81989df183df01b3e8a0aad5dffbe",
            "bef4ecab320f06d8554ea6380940ec79",
            "bb300cfdad3c16e7a12a480ee83cd310",
        ),
    ),
    "kmnist": Source(
        (
            "https://codh.rois.ac.jp/kmnist/dataset/kmnist/",
            "https://storage.googleapis.com/s4tf-hosted-binaries/datasets/KMNIST/",  # the copy that Swift for TensorFlow downloads
        ),
        _idx(
            "bdb82020997e1d708af4cf47b453dcf7",
            "e144d726b3acfaa3e44228e80efcd344",
            "5c965bf0a639b31b8f53240b1b52f4d7",
            "7320c461ea6c1c855c0b718fb2a4b134",
        ),
    ),
    "cifar10": Source(
        (
            "https://www.cs.toronto.edu/~kriz/",
            "https://storage.googleapis.com/s4tf-hosted-binaries/datasets/CIFAR10/",
            "https://mindspore-website.obs.cn-north-4.myhuaweicloud.com/notebook/datasets/",
        ),
        {"cifar-10-binary.tar.gz": "c32a1d4ab5d03f1284b67883e8d87530"},
    ),
}

#: MD5 sums of the four files of MNIST when they are not packed.
MNIST_UNPACKED: dict[str, str] = {
    "train-images": "6bbc9ace898e44ae57da46a324031adb",
    "train-labels": "a25bea736e30d166cdddb491f175f624",
    "t10k-images": "2646ac647ad5339dbf082846283269ea",
    "t10k-labels": "27ae3e4e09519cfbb04c329615203637",
}


#: Seconds to wait for a connection, and for the next bytes of an answer, before a server is given up.
TIMEOUT = (10.0, 20.0)

#: A server that sends fewer bytes a second than this, over so many seconds, is given up.
SLOWEST, PATIENCE = 10_000, 30.0

#: A file that goes on beyond this is none of ours (the largest has 170 MB).
MOST_BYTES = 2**30

CHUNK = 2**16


class Unusable(ValueError):
    """What a server sent is not the file."""


class BrokenOff(Exception):
    """The answer ended in the middle of the file."""


class TooSlow(Exception):
    """The answer came at less than `SLOWEST` bytes a second."""


class Transfer:
    """One attempt to get one file from one server, as a downloader for pooch.

    What came before an answer broke off is kept beside the file where the server gave it a mark (an ETag or a date) by which it can tell
    later whether the rest still belongs to it (RFC 9110, If-Range); the next attempt asks for the rest alone.

    Parameters
    ----------
    unfinished : Path
        Where that is kept, and found; its mark is in a file of the same name that ends in ``.mark``.
    resume : bool
        Whether to go on with what is there; else it is removed.

    Attributes
    ----------
    resumed : bool
        Whether this attempt went on with what an earlier one had left.
    kept : bool
        Whether this attempt left something to go on with.
    """

    def __init__(self, unfinished: Path, resume: bool = True) -> None:
        self._unfinished, self._mark_file, self._resume = unfinished, unfinished.with_name(f"{unfinished.name}.mark"), resume
        self._mark = ""
        self.resumed = self.kept = False

    def __call__(self, url: str, output_file: Any, _pooch: Any, check_only: bool = False) -> None:
        """Download `url` to a path that pooch made for it, showing progress.

        Raises
        ------
        Unusable, BrokenOff, TooSlow
            Where the answer was wrong, ended too early, or trickled.
        requests.RequestException
            Where there was no answer.
        OSError
            Where the file cannot be written.
        """
        import requests

        output = Path(output_file)
        here = self._take(output)
        try:
            with self._answer(url, here) as response:
                self._receive(response, url, output, here)
        except (requests.RequestException, BrokenOff, TooSlow, KeyboardInterrupt):
            self._keep(output)
            raise

    def _answer(self, url: str, here: int) -> Any:
        """Return the server's answer, asked for the part beyond `here` bytes; `resumed` says whether it is that part."""
        import requests

        headers = {"Accept-Encoding": "identity", "User-Agent": "issun"}
        part = {"Range": f"bytes={here}-", "If-Range": self._mark} if here else {}
        response = requests.get(url, stream=True, timeout=TIMEOUT, headers=headers | part)
        if here:
            starts = response.headers.get("Content-Range", "").startswith(f"bytes {here}-")
            self.resumed = response.status_code == 206 and starts
            if response.status_code == 416 or (response.status_code == 206 and not starts):  # no such part, or another one
                response.close()
                response = requests.get(url, stream=True, timeout=TIMEOUT, headers=headers)
        return response

    def _receive(self, response: Any, url: str, output: Path, here: int) -> None:
        """Write what comes to the file, behind what is there where the answer is the rest of it."""
        response.raise_for_status()
        start = here if self.resumed else 0
        tag = response.headers.get("ETag", "")
        # A weak tag may stand for several contents.
        self._mark = tag if tag.startswith('"') else response.headers.get("Last-Modified", "")
        length = response.headers.get("Content-Length", "")
        total = start + int(length) if length.isascii() and length.isdigit() else 0
        progress, pace = _Progress(url, start, total), _Pace()
        try:
            with output.open("ab" if start else "wb") as stream:
                while chunk := _next_bytes(response):
                    if not progress.done and chunk.lstrip()[:1] == b"<":
                        raise Unusable("sent a web page instead of the file")
                    progress.add(len(chunk))
                    if progress.done > MOST_BYTES:
                        raise Unusable(f"sent more than {MOST_BYTES:,} bytes, which the file does not have")
                    stream.write(chunk)
                    if progress.done != progress.total:  # once all is here, it is no matter how slowly it came
                        pace.add(len(chunk))
        finally:
            progress.close()
        if progress.done < progress.total:
            raise BrokenOff

    def _take(self, output: Path) -> int:
        """Move what an earlier attempt left to `output`, so that no other process takes it too; return its size, 0 where there is none."""
        with contextlib.suppress(OSError):
            self._mark = self._mark_file.read_text("latin-1") if self._resume else ""
            if self._mark:
                os.replace(self._unfinished, output)  # noqa: PTH105
                return output.stat().st_size
        self._mark = ""
        for path in (self._unfinished, self._mark_file):
            with contextlib.suppress(OSError):
                path.unlink()
        return 0

    def _keep(self, output: Path) -> None:
        """Keep what came, where the server can say later whether it still holds."""
        with contextlib.suppress(OSError):
            if self._mark and output.stat().st_size:
                self._mark_file.write_text(self._mark, "latin-1")
                os.replace(output, self._unfinished)  # noqa: PTH105
                self.kept = True


def _next_bytes(response: Any) -> bytes:
    """Return what has come of the answer, as it was sent, and nothing at its end; what goes wrong is named as requests names it."""
    import requests
    import urllib3

    try:
        # As it was sent: some servers call a .gz file a text that they packed for the way, and unpacked its checksum would be wrong.
        return bytes(response.raw.read1(CHUNK, decode_content=False))
    except urllib3.exceptions.ReadTimeoutError:
        raise requests.ReadTimeout from None
    except (urllib3.exceptions.HTTPError, OSError) as error:
        raise BrokenOff(str(error)) from None


class _Pace:
    """Whether bytes come fast enough."""

    def __init__(self) -> None:
        self._since, self._count = time.monotonic(), 0

    def add(self, count: int) -> None:
        """Count bytes that came; raise `TooSlow` where too few came within `PATIENCE` seconds."""
        self._count += count
        now = time.monotonic()
        if now - self._since >= PATIENCE:
            if self._count < SLOWEST * (now - self._since):
                raise TooSlow(f"sent less than {SLOWEST / 1000:g} kB a second for {PATIENCE:g} s")
            self._since, self._count = now, 0


class _Progress:
    """One download on stderr: a line that is written over on a terminal, a single line elsewhere."""

    def __init__(self, url: str, done: int, total: int) -> None:
        self.total, self.done, self._shown = total, done, -1
        parts = urlsplit(url)
        self._text = f"downloading {Path(parts.path).name} from {parts.netloc}"
        self._terminal = sys.stderr.isatty()
        if not self._terminal:
            here = f", {done / 1e6:.1f} MB of them are here" if done else ""
            size = f" ({total / 1e6:.1f} MB{here})" if total else ""
            print(f"{self._text}{size}", file=sys.stderr, flush=True)

    def add(self, count: int) -> None:
        self.done += count
        tenths = self.done // 100_000
        if self._terminal and (tenths > self._shown or self.done == self.total):
            self._shown = tenths
            of = f" of {self.total / 1e6:.1f} MB, {100 * self.done // self.total} %" if self.total else " MB"
            print(f"\r{self._text}: {self.done / 1e6:.1f}{of} ", end="", file=sys.stderr, flush=True)

    def close(self) -> None:
        if self._terminal:
            print(file=sys.stderr, flush=True)


#: How often a mirror that breaks off in the middle of a file is asked for it: each time for all of it, or for the rest.
ATTEMPTS, RESUMES = 2, 10


def cache_folder() -> Path:
    """Return where downloads are kept: the folder that ISSUN_CACHE names, or the platform's place for caches."""
    given = os.environ.get("ISSUN_CACHE")
    if given:
        return Path(given).expanduser()
    import pooch  # here, because most commands never need it

    return Path(pooch.os_cache("issun"))


def download(name: str, source: Source, folder: Path) -> list[Path]:
    """Return the files of a data set in `folder`, downloading those that are not there or are damaged.

    A file has its final name only when it is whole and its checksum is right, so that several processes may do this at once. What is there
    of one that broke off is kept, also for the next run, where its server can say later whether the rest still belongs to it.

    Parameters
    ----------
    name : str
        What the data set is called.
    source : Source
        Its mirrors, files and checksums.
    folder : Path
        Where they are kept; made where there is none.

    Returns
    -------
    list of Path
        In the order of ``source.files``.

    Raises
    ------
    DownloadError
        Where no mirror sends a file; says what each mirror did.
    DataError
        Where it cannot be kept.
    """
    mirrors, paths = list(source.mirrors), []
    for file, md5 in source.files.items():
        reasons = []
        for mirror in list(mirrors):
            try:
                problem = _from(mirror, file, md5, folder)
            except OSError as error:
                raise DataError(
                    f"{file} of {name} cannot be kept in {folder}: {error.strerror or error}. Make room or mend its permissions, or "
                    f"name another folder in the environment variable ISSUN_CACHE"
                ) from None
            if not problem:
                break
            reasons.append(f"{urlsplit(mirror).netloc} {problem}")
            mirrors.append(mirrors.pop(mirrors.index(mirror)))  # ask the one that works first for the next file
        else:
            raise DownloadError(f"{name} could not be downloaded: {'; '.join(reasons)}")
        paths.append(folder / file)
        for unfinished in folder.glob(f".{file}.*.unfinished*"):
            with contextlib.suppress(OSError):
                unfinished.unlink()
    return paths


def _from(mirror: str, file: str, md5: str, folder: Path) -> str:
    """Get a file from one mirror; return what the mirror did wrong, nothing where the file is there."""
    import pooch
    import requests

    pooch.get_logger().setLevel("WARNING")  # it would say each address again, and its own advice
    unfinished = folder / f".{file}.{hashlib.sha256(mirror.encode()).hexdigest()[:8]}.unfinished"
    resume, attempts = True, 0
    while True:
        transfer = Transfer(unfinished, resume)
        try:
            pooch.retrieve(mirror + file, f"md5:{md5}", fname=file, path=folder, downloader=transfer)
        except BrokenOff:
            attempts += 1
            if attempts >= (RESUMES if transfer.kept else ATTEMPTS):
                return "broke off in the middle"
        except TooSlow as error:
            return str(error)
        except requests.RequestException as error:
            return _said(error)
        except ValueError as error:  # pooch's word for a wrong checksum
            if isinstance(error, Unusable):
                return str(error)
            if not transfer.resumed:
                return "sent a file whose checksum is wrong"
            resume = False  # its parts do not belong together: once more, whole
        else:
            return ""


def by_hand(name: str, source: Source) -> str:
    """Return the sentence that says how to do without a network."""
    return (
        f"Without a network: get {', '.join(source.files)} elsewhere, from {' or '.join(source.mirrors)}, and put it into FOLDER/{name} "
        f"(or put {name}.npz with x_train, y_train, x_test and y_test into FOLDER), then name the folder with --data-dir FOLDER or in the "
        f"environment variable ISSUN_DATA. The data set digits needs no download"
    )


def _said(error: Exception) -> str:
    """Say in few words what a server did."""
    import requests

    if isinstance(error, requests.HTTPError):
        return "answered with an error" if error.response is None else f"answered {error.response.status_code}"
    if isinstance(error, requests.Timeout) or _timed_out(error):
        return "did not answer in time"
    if isinstance(error, requests.TooManyRedirects):
        return "redirected without end"
    return "cannot be reached" if isinstance(error, requests.ConnectionError) else f"failed ({type(error).__name__})"


def _timed_out(error: object) -> bool:
    """Whether an error of the connection is a timeout of the system that others have wrapped, each in the arguments of the next."""
    return isinstance(error, TimeoutError) or (isinstance(error, Exception) and any(_timed_out(wrapped) for wrapped in error.args))
