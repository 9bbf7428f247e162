"""The study that chaos.py searches: a known function in place of a training; it records every evaluation.

``table`` says what any parameters are worth, so that whoever reads the storage afterwards can compare. Each
process appends to a file of its own, in the folder ``CHAOS_RECORDS``, a line when an evaluation begins and
one when it ends, so that nothing is evaluated twice unseen.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from optuna import TrialPruned

from optnas import Study, Training, integer, maximize, minimize, ops, real
from optnas.candidate import Candidate

STEPS = (1, 3, 9)
OWN_FAILURE = "the objective's own failure"


class OwnFailure(Exception):
    """One evaluation in 11 fails by itself, so that such failures are told from those of the storage."""


def table(params: Mapping[str, Any], step: int = STEPS[-1]) -> dict[str, float]:
    """Return the metrics of a candidate after ``step`` steps; arithmetic that is exact everywhere."""
    width, beta = params["width"], params["beta"]
    return {"score": (width * 7919 % 10007 / 8192 + beta) * step / 8, "size": float(width)}


def fails(params: Mapping[str, Any]) -> bool:
    return bool(params["width"] % 11 == 0)


def seconds(params: Mapping[str, Any]) -> float:
    """Return how long a full evaluation takes: 0.1 to 1 s times ``CHAOS_SLOWNESS``."""
    return (0.1 + 0.1 * (params["width"] % 10)) * float(os.environ.get("CHAOS_SLOWNESS", "1"))


def evaluate(candidate: Candidate, report: Callable[..., None]) -> dict[str, float]:
    params = candidate.params
    stamp = int.from_bytes(os.urandom(6), "big")  # a double holds it exactly
    trial = candidate.seed  # the study's seed, 0, plus the trial's number

    def note(event: str) -> None:
        _append({"event": event, "trial": trial, "stamp": stamp, "params": dict(params)})

    note("begin")
    done = 0
    try:
        for step in STEPS:
            time.sleep(seconds(params) * (step - done) / STEPS[-1])
            done = step
            if step == STEPS[0] and fails(params):
                raise OwnFailure(OWN_FAILURE)
            report(step, table(params, step))
    except TrialPruned:
        note("pruned")
        raise
    except OwnFailure:
        note("failed")
        raise
    except BaseException as error:
        note(f"left: {type(error).__name__}")
        raise
    note("complete")
    return {**table(params), "stamp": float(stamp)}


def _append(line: dict[str, Any]) -> None:
    # Uptimes differ between the machines as their clocks do; the difference is known here alone.
    line |= {"pid": os.getpid(), "time": time.monotonic() - float(os.environ.get("CHAOS_UPTIME", "0"))}
    folder, worker = Path(os.environ["CHAOS_RECORDS"]), os.environ["CHAOS_WORKER"]
    file = os.open(folder / f"{worker}-{os.getpid()}.jsonl", os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    try:
        os.write(file, json.dumps(line).encode() + b"\n")
    finally:
        os.close(file)


study = Study(
    name="chaos",
    space=ops.seq(ops.conv(integer(1, 1_000_000, name="width")), ops.swish(beta=real(0.5, 2.0, name="beta"))),
    evaluate=evaluate,
    training=Training(epochs=STEPS[-1]),
    objectives=[maximize("score"), minimize("size")],
    sampler="random",
    pruner="pareto-halving",
)
