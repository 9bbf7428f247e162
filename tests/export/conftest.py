"""What the tests of export run under."""

from __future__ import annotations

import sys
from functools import partial
from typing import Any

import pytest

from optnas.measure.latency import Latency, Timing, latency
from optnas.measure.rounds import quiet_rounds

BRIEF = Timing(fewest_seconds=0.01, most_seconds=0.02)


@pytest.fixture(autouse=True)
def _brief_latencies(monkeypatch: pytest.MonkeyPatch) -> None:
    """Measure latencies for a moment: these tests are of what is said of them, not of how sure they are."""

    def briefly(call: Any, device: Any, _: Timing) -> Latency:
        return latency(call, device, BRIEF)

    # The module, whose name in its package is that of its function.
    measuring = sys.modules["optnas.export.export"]
    monkeypatch.setattr(measuring, "latency", briefly)
    monkeypatch.setattr(measuring, "quiet_rounds", partial(quiet_rounds, pauses=()))
    monkeypatch.setattr(sys.modules["optnas.measure.latency"], "_WARM_UP_SECONDS", 0.01)
