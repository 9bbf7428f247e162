"""What every test runs under."""

from __future__ import annotations

import hypothesis
import torch

torch.set_num_threads(1)

hypothesis.settings.register_profile(
    "optnas",
    deadline=None,
    print_blob=True,
    suppress_health_check=[hypothesis.HealthCheck.too_slow, hypothesis.HealthCheck.data_too_large],
)
hypothesis.settings.load_profile("optnas")
