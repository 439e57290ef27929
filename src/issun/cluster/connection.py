"""How a Dask cluster is reached: by its scheduler's address or file, or started here."""

from __future__ import annotations

import contextlib
import ipaddress
import logging
import re
import socket
import warnings
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from issun.errors import IssunError, first_line
from issun.events import OnProgress, Remark
from issun.paths import check_file
from issun.study.crew import Workers

#: Seconds until a scheduler must have answered.
_PATIENCE = 4.0

_LOGGERS = ("distributed", "tornado", "asyncio", "bokeh")


def check_cluster(dask: str | None, client: Any) -> None:
    """Raise `IssunError` at once where nothing listens at the scheduler's address, or a cluster cannot be used: before images are read."""
    if dask is None:
        return
    if client is not None:
        raise IssunError(f"`client` and `dask` (={dask}) both name a cluster: give one of them")
    if find_spec("distributed") is None:
        raise IssunError("--dask needs Dask distributed: pip install 'issun[dask]'")
    if match := re.fullmatch(r"local:([0-9]{1,4})", dask):
        if not int(match[1]):
            raise IssunError("--dask (=local:0) must start at least one worker: local:1")
    elif dask.startswith("file:"):
        check_file(Path(dask.removeprefix("file:")), IssunError, "give the file that `dask scheduler --scheduler-file` writes")
    else:
        _, host, port = _address(dask)
        try:
            socket.create_connection((host.strip("[]"), port), _PATIENCE).close()
        except (OSError, OverflowError):
            raise IssunError(_unreachable(dask)) from None


@contextlib.contextmanager
def workers_on(dask: str | None, client: Any, on_progress: OnProgress) -> Iterator[Workers | None]:
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
        cluster = Cluster(client, _name(client, dask), on_progress)
        stack.callback(cluster.close)
        yield cluster


@contextlib.contextmanager
def _connected(dask: str, on_progress: OnProgress) -> Iterator[Any]:
    from distributed import Client

    how: dict[str, Any] = {"timeout": _PATIENCE, "set_as_default": False, "deserializers": ["dask", "msgpack"], "name": "issun"}
    with contextlib.ExitStack() as stack:
        if match := re.fullmatch(r"local:([0-9]{1,4})", dask):
            where: dict[str, Any] = {"address": stack.enter_context(_started(int(match[1])))}
        elif dask.startswith("file:"):
            where = {"scheduler_file": dask.removeprefix("file:")}
        else:
            scheme, host, port = _address(dask)
            where = {"address": f"{scheme}://{host}:{port}"}
            _warn(scheme, host, port, on_progress)
        try:
            client = Client(**where, **how)
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

    how: dict[str, Any] = {"processes": True, "threads_per_worker": 1, "dashboard_address": ":0", "silence_logs": logging.CRITICAL + 1}
    with LocalCluster(n_workers=count, **how) as cluster:
        yield cluster


def _address(dask: str) -> tuple[str, str, int]:
    """Return scheme, host and port of a scheduler; raise `IssunError` where it is no address."""
    match = re.fullmatch(r"(?:(tcp|tls)://)?(\[[^\]]+\]|[^:/]+):([0-9]{1,5})", dask)
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
                f"certificates, see docs/cluster.md",
                warning=True,
            )
        )


def _unreachable(dask: str) -> str:
    return f"no scheduler answers at {dask}: check the address, or start one with `dask scheduler`"


def _refused(dask: str, error: Exception) -> str:
    """Return why a scheduler behind certificates did not accept the connection."""
    return (
        f"the scheduler at {dask} accepts no connection with these certificates ({first_line(error)}): check Dask's settings "
        f"distributed.comm.tls, see docs/cluster.md"
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
