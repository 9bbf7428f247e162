"""How well a search ranked its front."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from optnas.winner.ranking import rank_correlation, ranking_told
from tests.files import call
from tests.winner.test_command import STUDY


def test_the_rank_correlation_is_spearman_s() -> None:
    assert rank_correlation([1, 2, 3, 4], [10, 20, 40, 80]) == pytest.approx(1)
    assert rank_correlation([1, 2, 3, 4], [4, 3, 2, 1]) == pytest.approx(-1)
    # 1 - 6 * (1 + 1 + 0 + 0) / (4 * 15)
    assert rank_correlation([1, 2, 3, 4], [2, 1, 3, 4]) == pytest.approx(0.8)
    assert rank_correlation([1], [1]) is None
    assert rank_correlation([1, 1], [1, 2]) is None


def test_of_few_trials_it_is_said_to_be_chance() -> None:
    found = {"score": "accuracy", "count": 4, "spearman": {"validation": 0.8, "test": None}, "trials": []}
    assert ranking_told(found).endswith(
        "full training: 0.8000 on validation; of fewer than 5 that is mostly chance."
    )
    assert ranking_told({**found, "count": 5}).endswith("0.8000 on validation.")
    none = {**found, "spearman": {"validation": None, "test": None}}
    assert "cannot be said" in ranking_told(none)


@pytest.mark.slow
def test_a_front_s_ranking_is_printed_and_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("OPTNAS_STORAGE", raising=False)
    Path("small.py").write_text(STUDY)
    assert call("run", "small.py", "--trials", 4, "--workers", 1).exit_code == 0
    told = call("train", "small.py", "--front", "--epochs", 1, "--out", "winners", "--workers", 2)
    assert told.exit_code == 0, told.output
    found = json.loads(Path("winners/front.json").read_text())
    trials = {each["number"]: each for each in json.loads(call("pareto", "--json").stdout)}
    assert [each["trial"] for each in found["trials"]] == list(trials)
    for each in found["trials"]:
        searched = json.loads(call("show", each["trial"], "--json").stdout)
        assert each["search"] == pytest.approx(searched["metrics"]["accuracy"])
        record = json.loads(Path(f"winners/small-{each['trial']}/metrics.json").read_text())
        assert each["test"] == record["test"]["accuracy"]["mean"]
    searched, trained = ([each[name] for each in found["trials"]] for name in ("search", "validation"))
    assert found["spearman"]["validation"] == rank_correlation(searched, trained)
    assert f"of {len(trials)} trials of the front" in " ".join(told.output.split())
