"""Downloads of named data sets, from whichever mirror sends the right bytes."""

from __future__ import annotations

import contextlib
import hashlib
import os
from pathlib import Path
from urllib.parse import urlsplit

from issun.datasets.http_transfer import BrokenOff, TooSlow, Transfer, Unusable
from issun.datasets.sources import Source
from issun.errors import DataError, DownloadError

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
