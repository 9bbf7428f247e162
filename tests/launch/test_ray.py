"""Workers as tasks of Ray: a node that is lost costs nothing but time."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from optnas.launch.engine import Placement
from optnas.launch.job import Job
from tests.files import quick_study
from tests.launch.test_keep import states, until

ray = pytest.importorskip("ray", reason="ray is not installed")

from ray.cluster_utils import Cluster  # noqa: E402

from optnas.launch.ray import Ray  # noqa: E402

pytestmark = pytest.mark.slow


@pytest.fixture
def cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A Ray cluster of a head without room for workers, and no node yet."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    started = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False})
    monkeypatch.setenv("RAY_ADDRESS", started.address)
    yield started
    ray.shutdown()
    started.shutdown()


def test_a_node_that_is_lost_in_mid_run_leaves_the_total_exact(tmp_path: Path, cluster: Any) -> None:
    quick_study(tmp_path, seconds=0.3)
    nodes = [cluster.add_node(num_cpus=2) for _ in range(2)]
    engine = Ray(Job("quick.py", "quick", "j.log", trials=40, workers=2), Placement())
    engine.start()
    until(lambda: states(tmp_path).count("COMPLETE") >= 4, 120)
    cluster.remove_node(nodes[0], allow_graceful=False)
    until(lambda: not engine.runs(), 120)
    assert states(tmp_path) == ["COMPLETE"] * 40
