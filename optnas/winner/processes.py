"""Trainings in several processes at once.

Seeds of one architecture are not trained together by ``torch.func`` (weights stacked, gradients by ``vmap``).
``examples/benchmarks/seeds_together.py`` found that 1.0 to 1.35 times as fast for convolutional chains on
digits with four and eight seeds, and 1.6 times for dense networks, on one core; processes use more cores.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import queue
import subprocess
import threading
from collections.abc import Sequence
from typing import Any

from optnas.interrupts.processes import stop_processes
from optnas.interrupts.signals import STOP_SECONDS
from optnas.run.child import Child
from optnas.run.gpus import gpu_of
from optnas.winner.jobs import TrainOptions
from optnas.winner.progress import Show, Shown
from optnas.winner.trainings import Item

__all__ = ["Workers"]

_TICK_SECONDS = 0.1


class Workers:
    """Processes that train, each one seed at a time, and keep checkpoints in the folders as this one would.

    A context: at its end all of them have ended, and what they were training has a checkpoint.

    Args:
        file: The study's file, for each process to load.
        storage: The storage's URL.
        options: What was asked for.
        count: The number of processes at once.
        threads: The threads of each; by default 1.
        gpus: Indices of the GPUs to spread them over; none on the CPU.
    """

    def __init__(
        self,
        file: str,
        storage: str,
        options: TrainOptions,
        count: int,
        threads: int | None,
        gpus: Sequence[int] = (),
    ) -> None:
        self._file, self._storage, self._options = file, storage, options
        self._threads, self._gpus = threads, gpus
        self._slots: list[_Process | None] = [None] * count
        self._messages: _Messages = queue.SimpleQueue()

    def __enter__(self) -> Workers:
        return self

    def __exit__(self, *_: object) -> None:
        stop_processes([each.popen for each in self._slots if each is not None], STOP_SECONDS - 1)

    def train(self, items: Sequence[Item], show: Show) -> dict[Item, str]:
        """Train all ``items``, and return why those failed that did; they do not stop the others.

        Raises:
            KeyboardInterrupt: If it is interrupted.
        """
        waiting, training, failed = list(items), dict[int, Item](), dict[Item, str]()
        while waiting or training:
            for slot in range(len(self._slots)):
                if slot not in training and waiting:
                    training[slot] = waiting.pop(0)
                    self._process(slot).begin(self._task(training[slot], slot))
            try:
                slot, message = self._messages.get(timeout=_TICK_SECONDS)
            except queue.Empty:
                continue
            if message is None:  # its process has ended
                process, self._slots[slot] = self._slots[slot], None
                if slot in training and process is not None:
                    failed[training.pop(slot)] = process.failure()
            elif "done" in message:
                show(training[slot], Shown(**message))
            else:
                item = training.pop(slot)
                if message["error"] is not None:
                    failed[item] = message["error"]
        return failed

    def _process(self, slot: int) -> _Process:
        process = self._slots[slot]
        if process is None:
            process = self._slots[slot] = _Process(slot, self._messages)
        return process

    def _task(self, item: Item, slot: int) -> dict[str, Any]:
        options = dataclasses.replace(self._options, out=item.job.folder)
        if options.front:
            options = dataclasses.replace(options, front=False, trial=item.job.trial)
        return {
            "file": self._file,
            "storage": self._storage,
            "options": {**dataclasses.asdict(options), "out": str(item.job.folder)},
            "seed": item.seed,
            "all_data": item.chosen is not None,
            "threads": self._threads,
            "gpu": gpu_of(slot, self._gpus),
            "parent": os.getpid(),
        }


_Messages = queue.SimpleQueue[tuple[int, dict[str, Any] | None]]


class _Process(Child):
    """A process that trains one item after the other, and a thread that reads what it says."""

    def __init__(self, slot: int, messages: _Messages) -> None:
        super().__init__("optnas.winner.process", subprocess.PIPE)

        def read() -> None:
            assert self.popen.stdout is not None
            for line in self.popen.stdout:
                messages.put((slot, json.loads(line)))
            self.popen.wait()
            messages.put((slot, None))

        threading.Thread(target=read, daemon=True).start()

    def begin(self, task: dict[str, Any]) -> None:
        """Let it train one more item; if it has ended meanwhile, that is told as usual."""
        assert self.popen.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            self.popen.stdin.write(f"{json.dumps(task)}\n")
            self.popen.stdin.flush()

    def failure(self) -> str:
        """Return how the process has ended."""
        how = f"ended with {self.last_line()}" if self.signal is None else f"was ended by {self.signal}"
        return f"its process {how}: run the same command to go on where it was"
