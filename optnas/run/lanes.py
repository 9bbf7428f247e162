"""A worker with several trials at once in one process, each in a lane of its own."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from threading import Lock, Thread, current_thread, main_thread

import optuna
import torch

from optnas.errors import UserError
from optnas.interrupts import stopping
from optnas.interrupts.signals import STOP_SECONDS
from optnas.run.claims import Claims
from optnas.run.packing import Packing
from optnas.run.worker import put_back, work
from optnas.shown import notice
from optnas.study import Study
from optnas.train import default_device, lanes

__all__ = ["work_in_lanes"]

_TICK_SECONDS = 0.1
# Of the time that a process takes to stop: to put back what hangs, and to end.
_LAST_SECONDS = 3.0


def work_in_lanes(
    study: Study,
    opened: optuna.Study,
    total: int,
    packing: Packing,
    *,
    should_continue: Callable[[], bool] = lambda: True,
    finished: Callable[[int], None] = lambda _: None,
    parent: int = 0,
) -> None:
    """Run trials until the study has ``total`` of them, several at once on this process's device.

    On ``KeyboardInterrupt`` the running trials are put back and the interrupt raised again.

    Args:
        study: The study as declared; it has a task.
        opened: The same study in its storage.
        total: Number of trials that the study is to have in the end.
        packing: How many trials run at once; it may change while they run.
        should_continue: Called before every trial; if it returns ``False``, the lane ends quietly.
        finished: Called with the id of every trial that this worker has finished, by one thread at a time.
        parent: The process id of the run that started this process as a worker; 0 if none did.

    Raises:
        EveryTrialFailed: If every trial fails for the same reason.
        StorageError: If the storage or the study in it is gone, or cannot be used.
        DeviceBroken: If this process can use its GPU no more; all running trials are put back.
        UserError: If the study has no task.
    """
    if study.task is None:
        raise UserError("trials at once in one process are for studies with a task; evaluate= gets processes")
    device = default_device(study.training.device)
    study.task.data.on(device)  # once, for all lanes
    if device.type == "cuda":
        torch.cuda.synchronize(device)  # their streams do not wait for this one
    run_trials = partial(work, study, opened, total, parent=parent)
    _Lanes(run_trials, device, packing, should_continue, finished).run()


@contextmanager
def _children_end_quietly() -> Iterator[None]:
    """Handle no end of a child process inside the context.

    PyTorch's handler raises in this thread if a process of a DataLoader is killed; the lane that reads from
    it finds that out by itself.
    """
    if not hasattr(signal, "SIGCHLD") or current_thread() is not main_thread():
        yield
        return
    before = signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    try:
        yield
    finally:
        signal.signal(signal.SIGCHLD, before)


class _Lanes:
    def __init__(
        self,
        run_trials: Callable[..., None],
        device: torch.device,
        packing: Packing,
        should_continue: Callable[[], bool],
        finished: Callable[[int], None],
    ) -> None:
        self._run_trials, self._device, self._packing = run_trials, device, packing
        self._should_continue, self._finished = should_continue, finished
        self._threads: dict[int, Thread] = {}  # by their numbers
        self._claims: dict[Thread, Claims] = {}
        self._ended = False  # a lane has found nothing left to do
        self._stopping = False
        self._error: BaseException | None = None
        self._one_at_a_time = Lock()

    def run(self) -> None:
        try:
            with _children_end_quietly():
                while self._error is None and (self._start_missing() or not self._ended):
                    time.sleep(_TICK_SECONDS)
        except BaseException:
            self._stop()
            raise
        if self._error is not None:
            self._stop()
            raise self._error

    def _start_missing(self) -> bool:
        """Start the lanes that are to run and do not; return whether any runs."""
        count = self._packing.count
        self._threads = {number: each for number, each in self._threads.items() if each.is_alive()}
        for number in range(count):
            # Those of larger numbers end with their trials, and have their memory until then.
            if number not in self._threads and len(self._threads) < count and not self._ended:
                # A daemon: a process that is to end does not wait for a step that hangs.
                thread = Thread(target=self._lane, args=(number,), name=f"lane {number}", daemon=True)
                self._threads[number] = thread
                thread.start()
        return bool(self._threads)

    def _lane(self, number: int) -> None:
        too_many = False

        def goes_on() -> bool:
            nonlocal too_many
            too_many = number >= self._packing.count
            return not self._ended and not too_many and self._goes_on()

        def ended(trial_id: int) -> None:
            with self._one_at_a_time:
                self._found(time.monotonic())
                self._finished(trial_id)

        try:
            with lanes.in_lane(self._device):
                begins = partial(self._claims.__setitem__, current_thread())
                self._run_trials(should_continue=goes_on, finished=ended, begins=begins)
            # Where one is too many, others go on.
            self._ended = self._ended or not too_many
        except BaseException as error:  # a KeyboardInterrupt as well, which is then one of the trial's own
            if not self._stopping:
                self._error = self._error or error
            self._ended = True
        finally:
            self._claims.pop(current_thread(), None)

    def _found(self, now: float) -> None:
        """Let the number of trials at once be judged by a trial that has ended; say it once it is found."""
        packing = self._packing
        was_settled = packing.settled
        packing.ended(now)
        if packing.settled and not was_settled:
            rates = ", ".join(f"{rate:,.0f} with {count}" for count, rate in sorted(packing.rates.items()))
            notice(f"trials at once on this GPU from now on: {packing.count} (trials an hour: {rates})")

    def _goes_on(self) -> bool:
        with self._one_at_a_time:
            return self._should_continue()

    def _stop(self) -> None:
        """Stop the lanes within the time that a process takes to stop.

        Trials of those that do not stop in time are put back as their last rungs left them: of one that hangs
        in its turn, and of all that wait for the turn.
        """
        self._ended = self._stopping = True
        threads = list(self._threads.values())
        with stopping.all_of(threads):
            until = time.monotonic() + STOP_SECONDS - _LAST_SECONDS
            for thread in threads:
                thread.join(max(0.0, until - time.monotonic()))
        for thread in threads:
            if thread.is_alive() and thread in self._claims:
                put_back(self._claims[thread])
