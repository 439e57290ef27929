"""How do the files of a named data set come here: from whichever mirror sends the right bytes?"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from issun.data.sources import Source
from issun.errors import DataError, DownloadError

#: Seconds to wait for a connection, and for the next bytes of an answer, before a server is given up.
TIMEOUT = (10.0, 20.0)

#: A file that goes on beyond this is none of ours (the largest has 170 MB).
MOST_BYTES = 2**30

#: How often a mirror that breaks off in the middle of a file is asked for it.
ATTEMPTS = 2

CHUNK = 2**16


class _Unusable(ValueError):
    """What a server sent is not the file."""


def cache_folder() -> Path:
    """Return where downloads are kept: the folder that ISSUN_CACHE names, or the platform's place for caches."""
    given = os.environ.get("ISSUN_CACHE")
    if given:
        return Path(given).expanduser()
    import pooch  # here, because most commands never need it

    return Path(pooch.os_cache("issun"))


def download(name: str, source: Source, folder: Path) -> list[Path]:
    """Return the files of a data set in `folder`, downloading those that are not there or are damaged.

    A file has its final name only when it is whole and its checksum is right, so that several processes may do this at once.

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
    import pooch
    import requests

    pooch.get_logger().setLevel("WARNING")  # it would say each address again, and its own advice
    mirrors, paths = list(source.mirrors), []
    for file, md5 in source.files.items():
        reasons = []
        for mirror in list(mirrors):
            problem = ""
            for _ in range(ATTEMPTS):
                try:
                    paths.append(Path(pooch.retrieve(mirror + file, f"md5:{md5}", fname=file, path=folder, downloader=_fetch)))
                except requests.exceptions.ChunkedEncodingError:
                    problem = "broke off in the middle"
                    continue  # often it succeeds the second time
                except requests.RequestException as error:
                    problem = _said(error)
                except ValueError as error:  # pooch's word for a wrong checksum
                    problem = str(error) if isinstance(error, _Unusable) else "sent a file whose checksum is wrong"
                except OSError as error:
                    raise DataError(
                        f"{file} of {name} cannot be kept in {folder}: {error.strerror or error}. Make room or mend its permissions, or "
                        f"name another folder in the environment variable ISSUN_CACHE"
                    ) from None
                else:
                    problem = ""
                break
            if not problem:
                break
            reasons.append(f"{urlsplit(mirror).netloc} {problem}")
            mirrors.append(mirrors.pop(mirrors.index(mirror)))  # ask the one that works first for the next file
        else:
            raise DownloadError(f"{name} could not be downloaded: {'; '.join(reasons)}")
    return paths


def by_hand(name: str, source: Source) -> str:
    """Return the sentence that says how to do without a network."""
    return (
        f"Without a network: get {', '.join(source.files)} from {source.mirrors[0]} elsewhere and put it into FOLDER/{name} (or put "
        f"{name}.npz with x_train, y_train, x_test and y_test into FOLDER), then name the folder with --data-dir FOLDER or in the "
        f"environment variable ISSUN_DATA. The data set digits needs no download"
    )


def _said(error: Exception) -> str:
    """Say in few words what a server did."""
    import requests

    if isinstance(error, requests.HTTPError):
        return "answered with an error" if error.response is None else f"answered {error.response.status_code}"
    if isinstance(error, requests.Timeout) or "timed out" in str(error):
        return "did not answer in time"
    if isinstance(error, requests.TooManyRedirects):
        return "redirected without end"
    return "cannot be reached" if isinstance(error, requests.ConnectionError) else f"failed ({type(error).__name__})"


def _fetch(url: str, output_file: Any, _pooch: Any, check_only: bool = False) -> None:
    """Download one file to a path that pooch made for it, showing progress; raise _Unusable for what cannot be it."""
    import requests

    headers = {"Accept-Encoding": "identity", "User-Agent": "issun"}
    with requests.get(url, stream=True, timeout=TIMEOUT, headers=headers) as response, Path(output_file).open("wb") as output:
        response.raise_for_status()
        # Some servers call a .gz file a text that they packed for the way; unpacked on arrival its checksum would be wrong.
        response.raw.headers.pop("Content-Encoding", None)
        length = response.headers.get("Content-Length", "")
        progress = _Progress(url, int(length) if length.isascii() and length.isdigit() else 0)
        try:
            for chunk in response.iter_content(CHUNK):
                if not progress.done and chunk.lstrip()[:1] == b"<":
                    raise _Unusable("sent a web page instead of the file")
                progress.add(len(chunk))
                if progress.done > MOST_BYTES:
                    raise _Unusable(f"sent more than {MOST_BYTES:,} bytes, which the file does not have")
                output.write(chunk)
        finally:
            progress.close()
        if progress.done < progress.total:
            raise requests.exceptions.ChunkedEncodingError(f"{progress.done} of {progress.total} bytes")


class _Progress:
    """One download on stderr: a line that is written over on a terminal, a single line elsewhere."""

    def __init__(self, url: str, total: int) -> None:
        self.total, self.done, self._shown = total, 0, -1
        parts = urlsplit(url)
        self._text = f"downloading {Path(parts.path).name} from {parts.netloc}"
        self._terminal = sys.stderr.isatty()
        if not self._terminal:
            size = f" ({total / 1e6:.1f} MB)" if total else ""
            print(f"{self._text}{size}", file=sys.stderr, flush=True)

    def add(self, count: int) -> None:
        self.done += count
        tenths = self.done // 100_000
        if self._terminal and tenths > self._shown:
            self._shown = tenths
            of = f" of {self.total / 1e6:.1f} MB, {100 * self.done // self.total} %" if self.total else " MB"
            print(f"\r{self._text}: {self.done / 1e6:.1f}{of} ", end="", file=sys.stderr, flush=True)

    def close(self) -> None:
        if self._terminal:
            print(file=sys.stderr, flush=True)
