"""Stopping a training at its next step, so that a checkpoint of the middle of an epoch can be written.

A signal arrives anywhere in a step, where weights, optimiser and random numbers do not belong together. So
its handler calls :func:`stop_soon`, and the training loop raises ``KeyboardInterrupt`` itself, after the step
and once the checkpoint is written.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager

from optnas.interrupts.whole import interrupt_in

__all__ = ["all_of", "asked", "at_once", "at_steps", "check", "stop_soon", "training"]

# A step or a checkpoint that takes longer is interrupted: whoever sent the signal will not wait for ever
# (Slurm's and Kubernetes' default is 30 seconds, Docker's 10).
_LONGEST_SECONDS = 6.0


class _Stopped(KeyboardInterrupt):
    """Ends a training between two steps."""


class _Thread(threading.local):
    """State of this thread's training, as signal handlers run in the main thread and mean its own."""

    waits = False
    asked = False


_here = _Thread()
# The threads whose trainings are to stop.
_stopped: set[threading.Thread] = set()


def training() -> bool:
    """Return whether this thread is in a training that :func:`stop_soon` stops."""
    return _here.waits


def asked() -> bool:
    """Return whether this thread's training is being stopped, until its end."""
    return _here.asked or threading.current_thread() in _stopped


def stop_soon() -> None:
    """Make this thread's training raise ``KeyboardInterrupt`` after its current step and a checkpoint.

    For signal handlers. A step that takes more than six seconds is interrupted where it is.
    """
    _here.asked = True
    interrupt_in(_LONGEST_SECONDS)


@contextmanager
def all_of(threads: Collection[threading.Thread]) -> Iterator[None]:
    """Stop the trainings of threads after their current steps and checkpoints, inside this context.

    Each raises ``KeyboardInterrupt`` in its thread. Those of other threads, as of another study, go on. A
    thread that has not ended with the context stops once its step has ended.
    """
    _stopped.update(threads)
    try:
        yield
    finally:
        _stopped.difference_update(thread for thread in threads if not thread.is_alive())


@contextmanager
def at_steps(keep: Callable[[], None]) -> Iterator[None]:
    """Let :func:`stop_soon` take effect at the next :func:`check` inside this context.

    Args:
        keep: Writes the checkpoint; called if the training is stopped at a check.

    Raises:
        KeyboardInterrupt: If it was asked for, however the training ended.
    """
    _here.waits, _here.asked = True, False
    try:
        try:
            yield
            check()
        finally:
            _here.waits = False
    except _Stopped:
        keep()
        raise
    except Exception as error:
        if asked():
            raise KeyboardInterrupt from error
        raise
    finally:
        if _here.asked:
            interrupt_in(0)
        _here.asked = False


def check() -> None:
    """Stop the training of this thread here if that was asked for.

    Raises:
        KeyboardInterrupt: If it was.
    """
    if _here.waits and asked():
        raise _Stopped


@contextmanager
def at_once() -> Iterator[None]:
    """Let signals interrupt a training anywhere inside this context: its checkpoint has just been written.

    Raises:
        KeyboardInterrupt: If :func:`stop_soon` was called before.
    """
    waited, _here.waits = _here.waits, False
    if waited and asked():
        raise KeyboardInterrupt
    try:
        yield
    finally:
        _here.waits = waited
