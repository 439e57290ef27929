"""How a Dask cluster is reached: by its scheduler's address or file, or started here."""

from __future__ import annotations

import contextlib
import ipaddress
import json
import logging
import multiprocessing
import os
import re
import socket
import ssl
import sys
import warnings
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from issun.engine import threads_available
from issun.errors import IssunError, first_line
from issun.events import OnProgress, Remark
from issun.paths import check_file
from issun.study.crew import Workers
from issun.study.interrupt import interrupts_ignored

#: Seconds until a scheduler must have answered.
_PATIENCE = 4.0

#: How many workers `local:` starts at most, or one for each core.
_MOST_LOCAL = 64

_LOCAL = re.compile(r"local:([0-9]{1,6})", re.ASCII)
_ADDRESS = re.compile(r"(?:(tcp|tls)://)?(\[[^\]]+\]|[^:/]+):([0-9]{1,5})", re.ASCII)

#: What a worker begins with that takes the place of another one here. A terminal sends Ctrl-C to all processes that were started from it,
#: and workers are to send home where their trainings are, not to die.
_DEAF = "import signal; signal.signal(signal.SIGINT, signal.SIG_IGN)"

_LOGGERS = ("distributed", "tornado", "asyncio", "bokeh")


def check_cluster(dask: str | None, client: Any) -> None:
    """Raise `IssunError` at once, before images are read, where a cluster cannot be used or nothing listens at the scheduler's address."""
    if client is not None:
        _check_client(client)
    if dask is None:
        return
    if client is not None:
        raise IssunError(f"`client` and `dask` (={dask}) both name a cluster: give one of them")
    if not isinstance(dask, str):
        raise IssunError(f"`dask` (={dask!r}) must be text: an address such as tcp://host:8786, file:scheduler.json, or local:4")
    if find_spec("distributed") is None:
        raise IssunError("--dask needs Dask distributed: pip install 'issun[dask]'")
    if match := _LOCAL.fullmatch(dask):
        most = max(_MOST_LOCAL, os.cpu_count() or 1)
        if not 1 <= int(match[1]) <= most:
            raise IssunError(f"--dask (={dask}) must start from 1 to {most} workers: local:{threads_available()} is one for each core")
        return
    address = _scheduler_of(dask) if dask.startswith("file:") else dask
    scheme, host, port = _address(address)
    try:
        with socket.create_connection((host.strip("[]"), port), _PATIENCE) as connected:
            if scheme == "tls":
                _check_tls(dask, connected)
    except (OSError, OverflowError):
        raise IssunError(_unreachable(dask if dask == address else f"{address}, which `{dask.removeprefix('file:')}` names")) from None


def _check_client(client: Any) -> None:
    if hasattr(client, "crew"):  # the workers that an earlier call gave
        return
    if not hasattr(client, "scheduler") or not hasattr(client, "status"):
        raise IssunError(f"`client` (={client!r}) must be a connected distributed.Client; `dask` takes an address")
    if getattr(client, "asynchronous", False):
        raise IssunError("`client` must not be asynchronous: issun waits for it in a thread of its own")
    if client.status != "running":
        raise IssunError(f"`client` is {client.status}: it must be connected")


def _scheduler_of(dask: str) -> str:
    """Return the address that a scheduler's file holds."""
    path = Path(dask.removeprefix("file:"))
    check_file(path, IssunError, "give the file that `dask scheduler --scheduler-file` writes")
    address = None
    with contextlib.suppress(OSError, ValueError):
        found = json.loads(path.read_bytes())
        address = found.get("address") if isinstance(found, dict) else None
    if not isinstance(address, str) or _ADDRESS.fullmatch(address) is None:
        raise IssunError(f"`{path}` holds no address of a scheduler: give the file that `dask scheduler --scheduler-file` writes")
    return address


def _check_tls(dask: str, connected: socket.socket) -> None:
    """Raise `IssunError` where Dask's settings name no certificates that can be used, or the scheduler shows another one."""
    from distributed.security import Security

    security = Security()
    named = {"ca-file": security.tls_ca_file, "client.cert": security.tls_client_cert, "client.key": security.tls_client_key}
    for name, file in named.items():
        setting = f"distributed.comm.tls.{name}"
        variable = f"DASK_{setting.replace('.', '__').replace('-', '_').upper()}"
        if not file:
            raise IssunError(f"{dask} needs certificates: Dask's setting {setting} names no file; set {variable}")
        if "\n" not in file:  # else it is the certificate itself
            check_file(Path(file), IssunError, f"{variable} must name a file in PEM format")
    try:
        context = security.get_connection_args("client")["ssl_context"]
    except (OSError, ValueError) as error:
        files = ", ".join(f"`{file}`" for file in named.values() if "\n" not in file)
        raise IssunError(f"the certificates for {dask} cannot be used ({first_line(error)}): check {files}") from None
    try:
        context.wrap_socket(connected).close()
    except ssl.SSLCertVerificationError as error:
        ca = named["ca-file"] if "\n" not in named["ca-file"] else "distributed.comm.tls.ca-file"
        raise IssunError(
            f"the scheduler at {dask} shows a certificate that `{ca}` does not confirm ({error.verify_message}): give all programs of the "
            f"cluster certificates of one authority"
        ) from None
    except OSError:  # among them all other errors of ssl
        raise IssunError(f"the scheduler at {dask} does not answer with TLS: is it tcp://?") from None


@contextlib.contextmanager
def workers_on(dask: str | None, client: Any, on_progress: OnProgress, threads: int | None = None) -> Iterator[Workers | None]:
    """Give the workers of a cluster; None where none is asked for.

    Parameters
    ----------
    dask : str, optional
        ``tcp://host:8786`` or ``tls://host:8786``; ``file:scheduler.json``, as Dask's ``--scheduler-file`` writes it; or ``local:4``, which
        starts so many workers here.
    client : distributed.Client or Workers, optional
        In place of that, a connected client, which stays open; or the workers that an earlier call gave.
    on_progress : callable
        Called with remarks.
    threads : int, optional
        What was given for this computer: workers do not go by it, which is said.

    Raises
    ------
    IssunError
        Where no scheduler answers. What else can be wrong was told by `check_cluster`.
    """
    if dask is None and client is None:
        yield None
        return
    if dask is None and hasattr(client, "crew"):
        yield client
        return
    from issun.cluster.crew import Cluster  # here, since Dask comes with it

    with _quiet(), contextlib.ExitStack() as stack:
        if client is None:
            assert dask is not None
            client = stack.enter_context(_connected(dask, on_progress))
        if threads is not None:
            on_progress(
                Remark(
                    f"--threads (={threads}) is about this computer: workers train as many networks at once as they have threads",
                    warning=True,
                )
            )
        cluster = Cluster(client, _name(client, dask), on_progress)
        stack.callback(cluster.close)
        yield cluster


@contextlib.contextmanager
def _connected(dask: str, on_progress: OnProgress) -> Iterator[Any]:
    from distributed import Client

    class Own(Client):  # type: ignore[misc]
        """One that is closed below: Dask's own tries to close what was never connected, and waits for an answer."""

        def __del__(self) -> None:
            pass

    how: dict[str, Any] = {"timeout": _PATIENCE, "set_as_default": False, "deserializers": ["dask", "msgpack"], "name": "issun"}
    with contextlib.ExitStack() as stack:
        if match := _LOCAL.fullmatch(dask):
            where: dict[str, Any] = {"address": stack.enter_context(_started(int(match[1])))}
        else:
            scheme, host, port = _address(_scheduler_of(dask) if dask.startswith("file:") else dask)
            where = {"address": f"{scheme}://{host}:{port}"}
            _warn(scheme, host, port, on_progress)
        try:
            client = Own(**where, **how)
        except Exception as error:  # whatever answers there need not be a scheduler: what comes may be anything
            raise IssunError(_refused(dask, error) if dask.startswith("tls:") else _unreachable(dask)) from None
        _unread_errors(client)
        try:
            yield client
        finally:
            with contextlib.suppress(Exception):
                client.close(timeout=2)


def _unread_errors(client: Any) -> None:
    """Let a client take no note of what the error of a task was, which is a pickle.

    `deserializers` holds for what is fetched; this is for what the scheduler tells by itself.
    """
    take = client._handle_task_erred

    def erred(key: Any = None, exception: Any = None, traceback: Any = None, **others: Any) -> None:
        take(key=key, exception=RuntimeError("the task failed"), traceback=None)

    client.scheduler_comm.comm.deserialize = False
    client._stream_handlers["task-erred"] = client._state_handlers["erred"] = erred


@contextlib.contextmanager
def _started(count: int) -> Iterator[Any]:
    """Start a scheduler and so many workers of one thread here."""
    from distributed import LocalCluster

    if getattr(multiprocessing.current_process(), "_inheriting", False):  # a worker that reads the script which starts workers
        sys.exit(1)
    how: dict[str, Any] = {"processes": True, "threads_per_worker": 1, "dashboard_address": ":0", "silence_logs": logging.CRITICAL + 1}
    try:
        with interrupts_ignored():
            cluster = LocalCluster(n_workers=count, preload=[_DEAF], **how)
    except Exception as error:
        raise IssunError(
            f'the workers could not be started here ({first_line(error)}); a script must call issun below `if __name__ == "__main__":`, '
            f"since each worker reads it"
        ) from None
    try:
        yield cluster
    finally:
        with interrupts_ignored():
            cluster.close()


def _address(dask: str) -> tuple[str, str, int]:
    """Return scheme, host and port of a scheduler; raise `IssunError` where it is no address."""
    match = _ADDRESS.fullmatch(dask)
    if match is None:
        raise IssunError(
            f"--dask (={dask}) must be the address of a scheduler (tcp://host:8786 or tls://host:8786), its file (file:scheduler.json), or "
            f"workers to start here (local:4)"
        )
    return match[1] or "tcp", match[2], int(match[3])


def _warn(scheme: str, host: str, port: int, on_progress: OnProgress) -> None:
    """Say what an open port means."""
    with contextlib.suppress(ValueError):
        if ipaddress.ip_address(host.strip("[]")).is_loopback:
            return
    if scheme == "tcp" and host != "localhost":
        on_progress(
            Remark(
                f"whoever reaches tcp://{host}:{port} can run programs on all machines of this cluster: use tls:// with client "
                f"certificates (Dask's settings distributed.comm.tls)",
                warning=True,
            )
        )


def _unreachable(dask: str) -> str:
    return f"no scheduler answers at {dask}: check the address, or start one with `dask scheduler`"


def _refused(dask: str, error: Exception) -> str:
    """Return why a scheduler behind certificates did not accept the connection."""
    return (
        f"the scheduler at {dask} accepts no connection with these certificates ({first_line(error)}): check Dask's settings "
        f"distributed.comm.tls.client.cert and client.key: the scheduler's --tls-ca-file must confirm them"
    )


def _name(client: Any, dask: str | None) -> str:
    return dask if dask is not None else str(client.scheduler.address)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep Dask's log lines and warnings from the user; issun says what there is to say. Dask gives each of its loggers a handler when it
    is imported, so that must have happened before."""
    quiet = logging.NullHandler()
    names = [name for name in logging.root.manager.loggerDict if name.partition(".")[0] in _LOGGERS]
    loggers = [logging.getLogger(name) for name in {*names, *_LOGGERS}]
    before = [(logger, logger.disabled, logger.propagate, list(logger.handlers)) for logger in loggers]
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module=r"distributed(\..*)?")
        try:
            for logger in loggers:
                logger.disabled, logger.propagate, logger.handlers[:] = True, False, [quiet]
            yield
        finally:
            for logger, disabled, propagate, handlers in before:
                logger.disabled, logger.propagate, logger.handlers[:] = disabled, propagate, handlers
