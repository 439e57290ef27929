"""`Cluster`: workers of a Dask cluster train jobs. What they do is kept here, so that it goes on when some of them die.

issun decides itself which worker gets which batch, and Dask carries it there. When a worker dies, what it had is tried again: each trial
alone on a worker that has nothing else, so that the one that kills its worker is found, and no other is blamed.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import pickle
import queue
import secrets
import shutil
import tempfile
import threading
import time
from collections import deque
from collections.abc import Callable, Coroutine, Sequence
from concurrent.futures import Future as Answer
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from distributed import Client, Future
from distributed.protocol.pickle import dumps

from issun import errors
from issun.build import build, instruction_set
from issun.cluster import worker
from issun.cluster.images import chunks, write_images
from issun.cluster.records import BadRecord, lines_of, outcome_of, state_of, unpacked
from issun.datasets.inputs import Inputs
from issun.engine.fitting import Epoch
from issun.engine.protocol import NUMERICS_VERSION, State
from issun.errors import Cancelled, IssunError, StudyError
from issun.events import OnProgress, Remark
from issun.numbers import counted, duration
from issun.paths import writing
from issun.study.crew import Ended, Job
from issun.study.lock import WriterLock
from issun.study.machine import machine
from issun.study.progress import WorkerNow
from issun.training import Outcome

#: Seconds between two looks at which workers there are, two questions to one of them how far it is, and two checkpoints that it sends.
_LOOK, _ASK, _CHECKPOINT = 1.0, 1.0, 60.0

#: Seconds for which the scheduler, and a worker, may be silent when they are asked; and a worker while it gets the images.
_PATIENCE, _WORKER_PATIENCE, _IMAGES_PATIENCE = 4.0, 30.0, 300.0

#: So long a scheduler may be silent in all: one whose connection is closed is gone at once, but a busy or stopped one may come back.
_SILENCE = 60.0

#: How long a batch should take, in seconds, and how many trials it has at most.
_BATCH, _MOST = 1.0, 200

#: A trial that takes so many times as long as was estimated, and so many seconds, hangs.
_TIMES, _HANGS = 10.0, 60.0

#: So often the worker of a trial must have died while it ran alone, without getting further, until the trial is given up.
_DEATHS = 2

#: What is said of a worker that gives no answer, and how often it is asked.
_SILENT, _TRIES = "it does not answer; is issun installed there?", 3

#: What the names of folders with images begin with.
_FOLDER = "issun-images-"

#: Seconds in which workers are to stop.
_STOP = 15.0


@dataclass(eq=False)
class _Sent:
    """A batch that a worker has."""

    future: Future
    jobs: list[Job]
    alone: bool
    at: float


@dataclass(eq=False)
class _Member:
    """A worker of the cluster."""

    address: str
    machine: str
    threads: int
    ready: bool = False
    reserved: bool = False
    asked: bool = False
    sent: list[_Sent] = field(default_factory=list)
    heard: float = 0.0
    next_question: float = 0.0
    next_checkpoint: float = 0.0

    @property
    def jobs(self) -> list[Job]:
        """What it has to do, in its order."""
        return [job for sent in self.sent for job in sent.jobs]


class Cluster:
    """The workers of a Dask cluster; see `issun.study.crew.Workers`.

    Parameters
    ----------
    client : distributed.Client
        Connected. It stays open.
    name : str
        What the cluster is called in messages: its scheduler's address.
    on_progress : callable
        Called with remarks, from the thread that waits for the crew.
    """

    def __init__(self, client: Client, name: str, on_progress: OnProgress) -> None:
        self.client, self.name, self._tell = client, name, on_progress
        self.members: dict[str, _Member] = {}
        self.refused: dict[str, str] = {}  # addresses of workers that get no work, and why
        self._folder: Path | None = None
        self._lock: WriterLock | None = None  # on the folder: one without it was left behind
        self._files: dict[int, tuple[Inputs, Path]] = {}
        self._remarks: queue.SimpleQueue[Remark] = queue.SimpleQueue()

    @property
    def slots(self) -> int:
        """How many jobs can be trained at the same time, now."""
        return sum(member.threads for member in list(self.members.values()) if member.ready)

    @property
    def wanted(self) -> int:
        """How many jobs it wants to have at a time: the next one waits at the worker while one is trained."""
        return max(1, 2 * self.slots)

    def crew(
        self, jobs: Sequence[Job], inputs: Inputs, train: Callable[..., Outcome], stop: threading.Event, more: bool = False
    ) -> ClusterCrew:
        """Return a crew of these workers; see `issun.study.crew.Workers.crew`."""
        return ClusterCrew(self, jobs, inputs, train, stop, more)

    def images(self, inputs: Inputs) -> Path:
        """Return the file with these images, from which workers that see it read them; raise `StudyError` where it cannot be written."""
        if id(inputs) not in self._files:
            if self._folder is None:
                _clear_away()
                self._folder = Path(tempfile.gettempdir()).resolve() / f"{_FOLDER}{secrets.token_hex(6)}"
                self._lock = WriterLock(self._folder)
            with writing(self._folder, StudyError):
                self._folder.mkdir(mode=0o700, exist_ok=True)
                self._files[id(inputs)] = (inputs, write_images(inputs, self._folder))
        return self._files[id(inputs)][1]

    def place(self, path: Path) -> str:
        """Return where workers look for a file of this computer: those that share its file system find it there."""
        return str(path)

    def remark(self, text: str, warning: bool = False) -> None:
        """Tell something as soon as whoever waits for the crew looks."""
        self._remarks.put(Remark(text, warning=warning))

    def tell(self) -> None:
        """Hand over the remarks there are."""
        with contextlib.suppress(queue.Empty):
            while True:
                self._tell(self._remarks.get_nowait())

    def close(self) -> None:
        """Remove the files that were made."""
        self.tell()
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder = None
        if self._lock is not None:
            self._lock.release()
            self._lock = None


class ClusterCrew:
    """One run on a cluster; see `issun.study.crew.Crew`. A thread of its own keeps the workers busy and hears of what they did."""

    def __init__(
        self,
        cluster: Cluster,
        jobs: Sequence[Job],
        inputs: Inputs,
        train: Callable[..., Outcome],
        stop: threading.Event,
        more: bool,
    ) -> None:
        self.ends: queue.SimpleQueue[Ended] = queue.SimpleQueue()
        self._cluster, self._client = cluster, cluster.client
        self._inputs, self._train, self._stop, self._more = inputs, train, stop, more
        self._waiting, self._alone = deque(jobs), deque[Job]()
        self._left: dict[str, Job] = {}  # that came out of `ends` without an outcome and were not left
        self._kept: dict[str, Job] = {}  # that were stopped: their last states are still to be kept
        self._deaths: dict[str, tuple[int, int]] = {}  # of the workers of trials that ran alone, and the epoch reached at the last one
        self._run, self._numbers = secrets.token_hex(6), itertools.count()
        self._isa, self._machine = instruction_set(), machine()
        self._validation: dict[tuple[Any, ...], int] = {}
        self._took: deque[tuple[float, float]] = deque(maxlen=50)  # seconds and work of the last trials
        self._pace: float | None = None  # seconds that a unit of work takes, judging by these
        self._heard: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self._lock = threading.RLock()
        self._failure: BaseException | None = None
        self._transfers: dict[str, asyncio.Lock] = {}
        self._tried: dict[str, int] = {}
        self._next_look, self._looking, self._told_of_none = 0.0, False, False
        self._answered, self._told_of_silence = time.monotonic(), False  # when the scheduler did last
        self._begun = self._told_of_waiting = False  # whether any worker has begun a trial
        self._alone_since: float | None = None  # since when there is no worker
        self._first: Future | None = None  # what lets an adaptive cluster start its first worker
        self._thread = threading.Thread(target=self._work, name="issun-cluster", daemon=True)
        self._file = Path()
        cluster.members.clear()  # those of an earlier crew must open these images, too

    # What the thread that waits for the crew calls.

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def add(self, job: Job) -> None:
        """Give it another job, the last to begin."""
        with self._lock:
            self._waiting.append(job)
        self._heard.put(_nothing)

    def close(self) -> None:
        """Say that no more jobs come."""
        self._more = False
        self._heard.put(_nothing)

    def join(self) -> None:
        """Wait until no job runs any more."""
        if self._thread.ident is not None:
            self._thread.join()
        self._cluster.tell()

    def check(self) -> None:
        """Raise `StudyError` where the scheduler is gone."""
        self._cluster.tell()
        if self._failure is not None:
            raise self._failure

    def leave(self, job: Job) -> None:
        """Count a job that came out of `ends` as running no more."""
        self._left.pop(job.trial.id, None)

    @property
    def running(self) -> list[Job]:
        """The jobs that were begun and not yet left: at each worker as many as it has threads, and those that were stopped."""
        with self._lock:
            found = {job.trial.id: job for job in (*self._left.values(), *self._kept.values())}
            for member in self._cluster.members.values():
                found |= {job.trial.id: job for job in member.jobs[: member.threads]}
            return list(found.values())

    @property
    def waiting(self) -> list[Job]:
        """The jobs that nobody has begun."""
        with self._lock:
            sent = [job for member in self._cluster.members.values() for job in member.jobs[member.threads :]]
            return [*self._waiting, *self._alone, *sent]

    @property
    def each(self) -> int:
        """How many threads work on one job: one."""
        return 1

    @property
    def workers(self) -> tuple[WorkerNow, ...]:
        """The workers that are used, and what they train."""
        with self._lock:
            return tuple(
                WorkerNow(
                    member.address,
                    member.threads,
                    tuple(f"{job.trial.net}, seed {job.trial.seed}" for job in member.jobs[: member.threads]),
                )
                for member in self._cluster.members.values()
                if member.ready
            )

    # What the crew's own thread does.

    def _work(self) -> None:
        try:
            self._file = self._cluster.images(self._inputs)
            while not self._stop.is_set():
                if not self._more and not self._waiting and not self._alone and not self._has_sent:
                    break
                if time.monotonic() >= self._next_look and not self._looking:
                    self._look()
                self._send_all()
                self._ask_all()
                self._hear(0.1)
            self._end()
        except BaseException as error:  # whatever it is must reach the thread that waits, or it would wait for ever
            self._failure = error

    @property
    def _has_sent(self) -> bool:
        return any(member.sent for member in self._cluster.members.values())

    def _hear(self, seconds: float) -> None:
        """Do what answers ask for; wait so long for the first one."""
        with contextlib.suppress(queue.Empty):
            self._heard.get(timeout=seconds)()
            while True:
                self._heard.get_nowait()()

    def _go(self, question: Coroutine[Any, Any, Any], then: Callable[[Answer[Any]], None]) -> None:
        """Ask something of the cluster, and do something with the answer when it is there."""
        answer = asyncio.run_coroutine_threadsafe(question, self._client.loop.asyncio_loop)
        answer.add_done_callback(lambda found: self._heard.put(partial(then, found)))

    async def _call(self, address: str, function: Callable[..., bytes], *arguments: Any, patience: float = _WORKER_PATIENCE) -> Any:
        """Return what a function of `issun.cluster.worker` says on a worker. Nothing that comes back is unpickled."""
        message = {"op": "run", "function": dumps(function), "args": dumps(arguments), "kwargs": dumps({}), "wait": True}
        asked = self._client.scheduler.broadcast(msg=message, workers=[address], on_error="return_pickle")
        response = (await asyncio.wait_for(asked, patience)).get(address)
        if not isinstance(response, dict) or response.get("status") != "OK":
            raise _Silent
        return unpacked(response["result"])

    def _look(self) -> None:
        """Ask which workers there are."""
        self._looking = True
        self._go(asyncio.wait_for(self._client.scheduler.identity(n_workers=-1), _PATIENCE), self._seen)

    def _seen(self, answer: Answer[Any]) -> None:
        self._looking, self._next_look = False, time.monotonic() + _LOOK
        try:
            found = answer.result()["workers"]
        except TimeoutError:
            self._silent()
            return
        except Exception:
            self._lost()
        if self._client.status != "running":
            self._lost()
        if self._told_of_silence:
            self._cluster.remark(f"the scheduler at {self._cluster.name} answers again")
        self._answered, self._told_of_silence = time.monotonic(), False
        members, refused = self._cluster.members, self._cluster.refused
        for address in [address for address in members if address not in found]:
            self._gone(members[address], f"its worker {address} died")
        for address in [address for address in refused if address not in found]:
            del refused[address]  # one that comes back under this address is asked anew
        for address, facts in found.items():
            if address in members or address in self._cluster.refused or facts.get("status") not in ("running", "paused"):
                continue
            place = f"{facts['host']} {Path(facts['local_directory']).parent}"
            member = members[address] = _Member(address, place, int(facts["nthreads"]))
            self._go(self._welcome(member), partial(self._welcomed, member))
        if members or not (self._waiting or self._alone):
            self._alone_since = None
            return
        self._alone_since = self._alone_since or time.monotonic()
        if refused and time.monotonic() - self._alone_since > _PATIENCE:
            raise StudyError(f"no worker of {self._cluster.name} can be used: {next(iter(refused.values()))}")
        if not refused and not self._told_of_none:
            self._told_of_none = True
            self._cluster.remark(f"waiting for workers: none is connected to {self._cluster.name}")
            # An adaptive cluster starts one when a task waits.
            self._first = self._client.submit(worker.about, key=f"issun-{self._run}-first", pure=False)

    def _silent(self) -> None:
        """Wait for a scheduler that does not answer, but for a while only."""
        if self._client.status != "running" or time.monotonic() - self._answered > _SILENCE:
            self._lost()
        if not self._told_of_silence:
            self._told_of_silence = True
            self._cluster.remark(
                f"the scheduler at {self._cluster.name} does not answer: waiting for it, {duration(_SILENCE)} at most", warning=True
            )

    def _lost(self) -> None:
        raise StudyError(
            f"the scheduler at {self._cluster.name} does not answer any more: all trials that ended are saved; when scheduler and workers "
            f"have been started again, the same command goes on"
        )

    async def _welcome(self, member: _Member) -> str:
        """Ask a worker what it is and let it open the images; return why it gets no work, or nothing."""
        try:
            if problem := self._difference(await self._call(member.address, worker.about)):
                return problem
            path = self._file
            opened = partial(
                self._call, member.address, worker.open_images, self._run, path.name, self._cluster.place(path), patience=_IMAGES_PATIENCE
            )
            async with self._transfers.setdefault(member.machine, asyncio.Lock()):  # one process of a machine gets them for all
                if (await opened())["ready"]:
                    return ""
                for at, piece in itertools.chain(chunks(path), [(path.stat().st_size, b"")]):
                    answer = await self._call(member.address, worker.receive, path.name, at, piece, patience=_IMAGES_PATIENCE)
                    if answer["problem"]:
                        return str(answer["problem"])
                return "" if (await opened())["ready"] else "it cannot read the images that it has received"
        except (BadRecord, KeyError, TypeError) as error:
            return f"it does not answer as issun does ({error})"

    def _difference(self, theirs: Any) -> str:
        """Return in what a worker differs from this computer, so that its results would; nothing where it does not."""
        ours, versions = self._machine["versions"], theirs["versions"]
        if versions["issun"] != ours["issun"] or theirs["numerics"] != NUMERICS_VERSION:
            there, here = (f"issun {one['issun']} (numerics {one['numerics']})" for one in (versions, ours))
            return f"it has {there}, and this computer {here}"
        if theirs["compiler"] != build().compiler:
            return f"its issun was built by {theirs['compiler']}, and that of this computer by {build().compiler}"
        if self._isa not in theirs["available"]:
            sets = ", ".join(theirs["available"])
            return f"it has no {self._isa}, but {sets}: --isa {theirs['available'][0]} makes all alike"
        return ""

    def _welcomed(self, member: _Member, answer: Answer[Any]) -> None:
        try:
            problem = answer.result()
        except Exception:  # whatever it is: no answer
            problem = _SILENT
        if member.address not in self._cluster.members:  # it died meanwhile
            return
        if problem:
            tried = self._tried[member.address] = self._tried.get(member.address, 0) + 1
            if problem == _SILENT and tried < _TRIES:
                self._cluster.members.pop(member.address)  # it is asked again, if it is still there
            else:
                self._refuse(member, problem)
            return
        now = time.monotonic()
        member.ready, member.heard, member.next_question, member.next_checkpoint = True, now, now + _ASK, now + _CHECKPOINT

    def _refuse(self, member: _Member, problem: str) -> None:
        self._cluster.refused[member.address] = problem
        self._cluster.members.pop(member.address, None)
        self._cluster.remark(f"worker {member.address} is left out: {problem}", warning=True)

    # Work goes out.

    def _seconds(self, job: Job) -> float | None:
        """Return about how long a job takes, judging by the last ones; None while nothing is known."""
        return None if self._pace is None else self._pace * job.work_left

    def _room(self, member: _Member) -> bool:
        """Whether a worker should get a batch now: one for each thread, and while they are short, further ones that wait there."""
        if not member.ready or member.reserved:
            return False
        ahead = 0
        if self._waiting and (seconds := self._seconds(self._waiting[0])) is not None:
            ahead = 2 if seconds < 2 * _BATCH else 1 if seconds < 10 * _BATCH else 0
        return len(member.sent) < member.threads + ahead

    def _send_all(self) -> None:
        with self._lock:
            self._send_suspects()
            while self._waiting:
                free = [member for member in self._cluster.members.values() if self._room(member)]
                if not free:
                    return
                self._send(min(free, key=lambda member: len(member.sent) / member.threads), self._batch(), alone=False)

    def _send_suspects(self) -> None:
        """Give each trial that may have killed a worker to one that has nothing else, which is kept free for it."""
        members = [member for member in self._cluster.members.values() if member.ready]
        for member in members:
            if self._alone and not member.sent:
                self._send(member, [self._alone.popleft()], alone=True)
                member.reserved = True
            elif not any(sent.alone for sent in member.sent):
                member.reserved = False
        for member in sorted(members, key=lambda member: len(member.sent))[: len(self._alone)]:
            member.reserved = True

    def _batch(self) -> list[Job]:
        """Take the next jobs off those that wait: so many that they take about as long as a batch should."""
        share = max(1, len(self._waiting) // (2 * max(1, self._cluster.slots)))  # near the end all get some
        jobs = [self._waiting.popleft()]
        if self._pace is None or self._more:
            return jobs
        left = _BATCH - self._pace * jobs[0].work_left
        while self._waiting and len(jobs) < min(_MOST, share) and (seconds := self._pace * self._waiting[0].work_left) <= left:
            jobs.append(self._waiting.popleft())
            left -= seconds
        return jobs

    def _send(self, member: _Member, jobs: list[Job], alone: bool) -> None:
        trials = tuple((job.trial, *_from(job)) for job in jobs)
        patience = worker.ORPHANED + 10 * self._between_questions
        content = pickle.dumps(worker.Batch(self._run, trials, self._train, self._isa, patience))
        how: dict[str, Any] = {"key": f"issun-{self._run}-{next(self._numbers)}", "pure": False, "retries": 0}
        future = self._client.submit(worker.train_batch, content, workers=[member.address], allow_other_workers=False, **how)
        sent = _Sent(future, jobs, alone, time.monotonic())
        member.sent.append(sent)
        future.add_done_callback(lambda _: self._heard.put(partial(self._done, member, sent)))

    # Results come in.

    def _done(self, member: _Member, sent: _Sent) -> None:
        if sent not in member.sent:
            return
        if sent.future.status != "finished":  # its worker died, and Dask knew it first; or it was lost
            if self._client.status != "running":
                self._lost()
            with self._lock:
                member.sent.remove(sent)
            self._failed(member, sent)
            return
        self._go(self._client._gather([sent.future], errors="raise"), partial(self._came, member, sent))

    def _failed(self, member: _Member, sent: _Sent) -> None:
        """Try a batch again whose worker died; end it where the worker could not even begin, as it would be the same everywhere."""
        if sent.future.status != "error" or member.address not in self._cluster.members:
            self._again(sent, f"its worker {member.address} died")
            return
        for job in sent.jobs:  # whatever its error is, it is a pickle, which is not read
            words = f"worker {member.address} could not begin to train: does it have the same issun, and the function that trains?"
            self._ended(job, Ended(job, error=StudyError(words)))

    def _came(self, member: _Member, sent: _Sent, answer: Answer[Any]) -> None:
        if sent not in member.sent:
            return
        member.heard = time.monotonic()
        with self._lock:
            member.sent.remove(sent)
        try:
            found = unpacked(answer.result()[0])
        except BadRecord as error:
            for job in sent.jobs:
                self._ended(job, Ended(job, error=StudyError(f"worker {member.address}: {error}")))
            return
        except Exception:  # it died before its result was fetched
            self._again(sent, f"its worker {member.address} died")
            return
        finally:
            with contextlib.suppress(Exception):
                sent.future.release()
        self._told_of_none, self._begun = False, self._begun or bool(found)
        for job in sent.jobs:
            self._result(member, job, found.get(job.trial.id, {}))
        if not found and member.ready and not self._stop.is_set():  # a process that has begun anew: it must open the images
            member.ready = False
            self._go(self._welcome(member), partial(self._welcomed, member))

    def _result(self, member: _Member, job: Job, record: Any) -> None:
        """Take what came of one trial."""
        try:
            if "outcome" in record:
                outcome = outcome_of(record["outcome"], job.trial, self._images_of(job))
                trained = job.trial.work * int(record["epochs"]) / job.trial.recipe.epochs
                self._took.append((float(record["took"]), trained))
                self._pace = sum(one[0] for one in self._took) / max(1.0, sum(one[1] for one in self._took))
                job.history = list(outcome.history)
                self._ended(job, Ended(job, outcome))
            elif "error" in record:
                self._ended(job, Ended(job, error=_error_of(record, member.address)))
            else:
                if record:  # it was stopped; else it was not begun
                    self._follow(job, record["lines"], record["state"], record["of"], whole=True)
                _rewind(job)
                with self._lock:
                    if self._stop.is_set():
                        self._kept[job.trial.id] = job
                    else:
                        self._waiting.appendleft(job)
        except (BadRecord, KeyError, TypeError, ValueError) as error:
            self._ended(job, Ended(job, error=StudyError(f"worker {member.address}: {error}")))

    def _ended(self, job: Job, ended: Ended) -> None:
        if ended.outcome is None:  # what it had reached is still to be kept
            with self._lock:
                self._left[job.trial.id] = job
        self.ends.put(ended)

    def _images_of(self, job: Job) -> int:
        """Return how many images a trial predicts."""
        key = (job.trial.net.input, job.trial.split)
        if key not in self._validation:
            self._validation[key] = len(self._inputs.at(job.trial.net.input).parts(job.trial.split)[1])
        return self._validation[key]

    def _follow(self, job: Job, lines: Any, state: Any, of: int, whole: bool = False) -> None:
        """Take note of how far a job is."""
        if whole:
            job.history = lines_of(lines, 1)
        else:
            job.history.extend(lines_of(lines, len(job.history) + 1))
        if state is not None and of <= len(job.history):
            job.latest = (state_of(state, job.trial), int(of))

    # How far they are, and what becomes of those that die.

    def _ask_all(self) -> None:
        now = time.monotonic()
        members = list(self._cluster.members.values())
        for member in members:
            if not member.ready or not member.sent:
                continue
            if self._hangs(member, now):
                self._restart(member)
                continue
            if member.asked or now < member.next_question:
                continue
            states = now >= member.next_checkpoint
            if states:
                member.next_checkpoint = now + _CHECKPOINT
            member.asked, member.next_question = True, now + self._between_questions
            known = {job.trial.id: len(job.history) for job in member.jobs}
            jobs = {job.trial.id: job for job in member.jobs}
            self._go(self._call(member.address, worker.how_far, self._run, known, states), partial(self._told, member, jobs))

    @property
    def _between_questions(self) -> float:
        """Seconds between two questions to a worker: a scheduler answers a few hundred a second."""
        return max(_ASK, len(self._cluster.members) / 200)

    def _told(self, member: _Member, jobs: dict[str, Job], answer: Answer[Any]) -> None:
        member.asked = False
        try:
            found = answer.result()
        except Exception:  # it is busy, stopped or dead: that is seen elsewhere
            return
        now, mine = time.monotonic(), {job.trial.id for job in member.jobs}
        self._begun = self._begun or bool(found)
        if not self._begun and not self._told_of_waiting and member.sent and now - member.sent[0].at > _PATIENCE:
            self._told_of_waiting = True
            self._cluster.remark(
                "the workers are busy with something else, perhaps for a command that was killed: waiting until they are free"
            )
        for key, record in found.items():
            if key in mine and key in jobs:
                before = len(jobs[key].history)
                with contextlib.suppress(BadRecord, KeyError, TypeError, ValueError):
                    self._follow(jobs[key], record["lines"], record["state"], record["of"])
                if len(jobs[key].history) > before:
                    member.heard = now

    def _hangs(self, member: _Member, now: float) -> bool:
        """Whether nothing has been heard of a worker's trials for far too long."""
        known = [seconds for job in member.jobs if (seconds := self._seconds(job)) is not None]
        since = max([member.heard, *(sent.at for sent in member.sent[:1])])
        return bool(known) and now - since > max(_HANGS, _TIMES * max(known))

    def _restart(self, member: _Member) -> None:
        since = duration(time.monotonic() - member.heard)
        self._cluster.remark(f"worker {member.address} has been silent for {since} and is restarted", warning=True)
        restarting = self._client._restart_workers([member.address], timeout=_WORKER_PATIENCE, raise_for_error=False)
        self._go(restarting, _ignored)
        self._gone(member, f"its worker {member.address} hung")
        self._cluster.refused[member.address] = "it hung"

    def _gone(self, member: _Member, reason: str) -> None:
        """Take back what a worker had that is no more."""
        with self._lock:
            self._cluster.members.pop(member.address, None)
            sent, member.sent, member.ready = member.sent, [], False
        if count := sum(len(one.jobs) for one in sent):
            self._cluster.remark(f"worker {member.address} is gone, with {counted(count, 'trial')} that had not ended")
        for one in sent:
            with contextlib.suppress(Exception):
                self._go(self._client._cancel([one.future], force=True), _ignored)
            self._again(one, reason)

    def _again(self, sent: _Sent, reason: str) -> None:
        """Try trials again, each alone, or give one up that has been tried so often enough."""
        for job in sent.jobs:
            epoch = 0 if job.latest is None else job.latest[0].epoch
            _rewind(job)
            if not sent.alone or self._more_than_before(job, epoch):
                with self._lock:
                    self._alone.append(job)
                continue
            self._ended(job, Ended(job, lost=f"{reason} while it trained nothing else, {counted(_DEATHS, 'time')}"))

    def _more_than_before(self, job: Job, epoch: int) -> bool:
        """Whether a trial whose worker died while it ran alone is worth another try: it is the first death since it got further."""
        deaths, reached = self._deaths.get(job.trial.id, (0, -1))
        deaths = 1 if epoch > reached else deaths + 1
        self._deaths[job.trial.id] = (deaths, epoch)
        return deaths < _DEATHS

    # The end.

    def _end(self) -> None:
        """Let all workers end what they do; when it was stopped, wait for their last states."""
        for member in list(self._cluster.members.values()):
            if member.ready:
                self._go(self._call(member.address, worker.end, self._run, patience=5.0), _ignored)
        until = time.monotonic() + _STOP
        while self._has_sent and time.monotonic() < until:
            self._hear(0.1)
        with self._lock:
            left = [(member, sent) for member in self._cluster.members.values() for sent in member.sent]
            for member, sent in left:
                self._kept |= {job.trial.id: job for job in sent.jobs}
                member.sent.remove(sent)
        if left:
            self._go(self._client._cancel([sent.future for _, sent in left], force=True), _ignored)


class _Silent(Exception):
    """A worker gave no answer, or Dask could not ask it."""


def _clear_away() -> None:
    """Remove the folders with images of commands that were killed: those that nobody has a lock on."""
    for folder in Path(tempfile.gettempdir()).resolve().glob(f"{_FOLDER}*"):
        if folder.is_dir():
            with contextlib.suppress(StudyError):
                lock = WriterLock(folder)
                shutil.rmtree(folder, ignore_errors=True)
                lock.release()


def _ignored(answer: Answer[Any]) -> None:
    """Take note of nothing, not even of an error."""
    if not answer.cancelled():
        answer.exception()


def _nothing() -> None:
    """Wake the crew's thread."""


def _rewind(job: Job) -> None:
    """Forget of a job what came after its last known state: it goes on from there."""
    job.history = job.history[: job.first_epoch if job.latest is None else job.latest[1]]


def _from(job: Job) -> tuple[State | None, tuple[Epoch, ...]]:
    """Return the state and the history from which a job goes on."""
    return job.start if job.latest is None else job.latest[0], tuple(job.history)


def _error_of(record: Any, address: str) -> BaseException:
    """Return the error that a trial raised on a worker: issun's own with its words, others as they are told."""
    kind = getattr(errors, str(record["error"]), None)
    message = str(record["message"])
    if isinstance(kind, type) and issubclass(kind, IssunError) and not issubclass(kind, Cancelled):
        with contextlib.suppress(TypeError):
            return kind(message)
    return StudyError(f"worker {address}: {record['error']}: {message}")
