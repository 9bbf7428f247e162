"""What every test runs under."""

from __future__ import annotations

import signal
from collections.abc import Iterator

import hypothesis
import pytest
import torch

# Whose ops are registered before any test begins.
from optnas import ops, spaces  # noqa: F401
from optnas.space.memo import forget
from optnas.space.op import _registry

torch.set_num_threads(1)

# What runs in the background ignores Ctrl-C, and under nohup SIGHUP, which tests send.
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGHUP, signal.SIG_DFL)

hypothesis.settings.register_profile(
    "optnas",
    deadline=None,
    print_blob=True,
    suppress_health_check=[hypothesis.HealthCheck.too_slow, hypothesis.HealthCheck.data_too_large],
)
hypothesis.settings.load_profile("optnas")


@pytest.fixture(autouse=True)
def _own_ops() -> Iterator[None]:
    """Let a test define ops without replacing those of the same name for the others."""
    before = dict(_registry)
    yield
    _registry.clear()
    _registry.update(before)
    forget()
