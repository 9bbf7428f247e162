"""What every test runs under."""

from __future__ import annotations

import gc
import os
import shutil
import signal
from collections.abc import Iterator
from typing import Any

import hypothesis
import psutil
import pytest
import torch

# Whose ops are registered before any test begins.
from optnas import ops, spaces  # noqa: F401
from optnas.measure.latency import Timing, latency
from optnas.measure.rounds import quiet_rounds
from optnas.space.memo import forget
from optnas.space.op import _registry
from optnas.train import cores

# Memory of a process of tests, with those that it starts.
_PROCESS_BYTES = 2 * 2**30

torch.set_num_threads(1)

# Beside other tests a machine is rarely quiet: a latency would be measured for four seconds, three times.
latency.__defaults__ = (Timing(fewest_seconds=0.1, most_seconds=0.5), *(latency.__defaults__ or ())[1:])
quiet_rounds.__defaults__ = ((0.01, 0.02),)

# What runs in the background ignores Ctrl-C, and under nohup SIGHUP, which tests send.
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGHUP, signal.SIG_DFL)

# The same examples in every run, or whoever changes one thing meets the faults of another; others are tried
# by pytest -m hypothesis --hypothesis-profile=explore.
hypothesis.settings.register_profile(
    "explore",
    deadline=None,
    print_blob=True,
    suppress_health_check=[hypothesis.HealthCheck.too_slow, hypothesis.HealthCheck.data_too_large],
)
hypothesis.settings.register_profile(
    "optnas", parent=hypothesis.settings.get_profile("explore"), derandomize=True, database=None
)
hypothesis.settings.load_profile("optnas")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """Return three processes for two cores, as far as memory lasts: tests wait a good deal for others."""
    room = psutil.virtual_memory().available // _PROCESS_BYTES
    return max(1, min(cores() * 3 // 2, room))


def pytest_collection_finish() -> None:
    """Leave what is imported and collected out of all garbage collections of the tests.

    These are hundreds of thousands of objects that live to the end, and a full collection, as training asks
    for where memory is short, would look at each of them.
    """
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def _own_ops() -> Iterator[None]:
    """Let a test define ops without replacing those of the same name for the others."""
    before = dict(_registry)
    yield
    _registry.clear()
    _registry.update(before)
    forget()


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """Debian's Chromium; tests are skipped where there is none.

    One for all, as a second cannot be started from a process that has one.
    """
    chromium = os.environ.get("OPTNAS_CHROMIUM") or shutil.which("chromium")
    if chromium is None:
        pytest.skip("there is no chromium: apt-get install chromium")
    playwright = pytest.importorskip("playwright.sync_api", reason="pip install playwright")
    with playwright.sync_playwright() as started:
        running = started.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield running
        running.close()
