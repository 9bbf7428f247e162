"""The report of a study: one page with findings, pictures and commands, whoever named what."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pytest
from optuna.distributions import CategoricalDistribution
from optuna.trial import TrialState, create_trial

from optnas import data, tasks
from optnas.reports.ablations import Ablation, Sensitivity
from optnas.reports.report import report
from optnas.reports.report.baselines import baselines
from optnas.trials.record import ABOUT, ARCHITECTURE, COSTS, REASON
from tests.files import call
from tests.reports.test_explanation import costed_study

HOSTILE = "<script>window.hacked = 1</script>\"'\x1b[31m\u202e\n&lt;b&gt;"
CHROMIUM = shutil.which("chromium")


def declared_study(name: str = "digits", text: str = "relu") -> optuna.Study:
    """Return a study with drawings, costs, pruned and failed trials."""
    study = optuna.create_study(study_name=name, directions=["maximize", "minimize"])
    study.set_metric_names(["accuracy", "flops"])
    ABOUT.put(
        study,
        {
            "shape": [1, 8, 8],
            "context": {"outputs": 10},
            "space": "seq(conv(choose(8, 16, name='width')), relu, head)",
            "size": 2,
            "task": "classification",
            "data": text,
            "samples": {"train": 1078, "validation": 359, "test": 360},
            "training": {"epochs": "9", "lr": text},
            "constraints": [text],
            "file": "studies/digits.py",
        },
    )
    for i in range(24):
        width = (8, 16)[i % 2]
        state = (TrialState.PRUNED, TrialState.FAIL)[i % 3] if i % 3 < 2 and i > 12 else TrialState.COMPLETE
        study.add_trial(
            create_trial(
                params={"width": width, text: "a" if i % 4 else "b"},
                distributions={
                    "width": CategoricalDistribution((8, 16)),
                    text: CategoricalDistribution(("a", "b")),
                },
                values=[0.9 + 0.003 * width + 0.0001 * i, 1000.0 * width]
                if state.name == "COMPLETE"
                else None,
                state=state,
                user_attrs={
                    ARCHITECTURE.name: f"seq(conv({width}), relu, head)",
                    COSTS.name: {"flops": 1000.0 * width, "params": 10.0 * width},
                    **({} if state == TrialState.COMPLETE else {REASON.name: f"{text} after epoch {i}"}),
                },
            )
        )
    return study


def test_a_report_says_what_was_found_drawn_stopped_and_how_to_reproduce_it() -> None:
    page = report(declared_study(), baselines(tasks.classification(data.digits())))
    text = re.sub(r"<script.*?</script>|<style.*?</style>", "", page, flags=re.DOTALL)
    assert "are on the front" in text
    assert "95.0% ± 2.3" in text  # 0.9502 of 359 samples
    assert text.count("<svg") >= 3  # both of the front, and the space
    assert "relu after epoch 23" in text or "relu after epoch 22" in text
    assert "logistic regression" in text
    assert "optnas run studies/digits.py --trials 24" in text
    assert "optnas train studies/digits.py --trial" in text
    assert "epochs = 9" in text


def test_a_study_that_evaluates_by_itself_is_told_nothing_of_training() -> None:
    study = declared_study()
    ABOUT.put(study, {**(ABOUT.of(study) or {}), "task": None})
    page = report(study)
    assert "optnas run studies/digits.py --trials 24" in page
    assert "optnas train" not in page
    assert "trains the first network" not in page
    assert "epochs = 9" not in page


def test_baselines_are_what_scikit_learn_has_on_the_validation_part() -> None:
    constant, linear = baselines(tasks.classification(data.digits()))
    assert constant.metrics["accuracy"] == pytest.approx(0.1, abs=0.02)
    assert linear.metrics["accuracy"] > 0.93
    mean, ridge = baselines(tasks.regression(data.sklearn("diabetes")))
    assert mean.metrics["rmse"] > 1.1 * ridge.metrics["rmse"]


def test_a_task_s_own_baselines_are_told_in_their_place() -> None:
    task = tasks.forecasting(data.windows(np.sin(np.arange(200.0)), 8), season=6)
    found = baselines(task)
    assert [each.name for each in found] == ["naive", "seasonal naive", "ridge regression"]
    assert found[0].metrics == task.baselines()["naive"]
    assert found[0].samples == len(task.data.splits.train)
    page = report(declared_study(), found)
    assert "seasonal naive" in page


def test_a_study_without_anything_is_reported_as_such() -> None:
    page = report(optuna.create_study(directions=["maximize", "minimize"]))
    assert "nothing to tell" in page
    assert "optnas run STUDY.py --trials 100" in page
    assert "plotly" not in page


def test_texts_of_strangers_are_texts() -> None:
    page = report(declared_study(name=HOSTILE, text=HOSTILE))
    assert "<script>window.hacked" not in page
    assert "&lt;script&gt;window.hacked" in page
    assert not {"\x1b", "\u202e"} & set(page.split("<script>")[0])


@pytest.mark.parametrize(("width", "scheme"), [(390, "light"), (1400, "dark")])
def test_a_report_has_no_serious_accessibility_fault(
    tmp_path: Path, width: int, scheme: str, browser: Any
) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    path = tmp_path / "report.html"
    study = declared_study()
    metrics = {"loss": 0.1, "accuracy": 0.9}
    part = Ablation("0.1", "a part of a long name " * 4, "left out", metrics, metrics)
    Sensitivity("net", 359, metrics, [part]).keep(study, 1)
    baseline = baselines(tasks.classification(data.digits()))
    path.write_text(report(study, baseline), encoding="utf-8")
    size = {"width": width, "height": 900}
    context = browser.new_context(viewport=size, color_scheme=scheme, bypass_csp=True)
    page = context.new_page()
    page.goto(path.as_uri())
    page.wait_for_selector(".figure .main-svg")
    found = axe.run(page).response["violations"]
    context.close()
    assert [each for each in found if each["impact"] in ("serious", "critical")] == []


@pytest.mark.parametrize("width", [390, 1400])
def test_a_report_opens_without_errors_or_requests_and_fits(tmp_path: Path, width: int, browser: Any) -> None:
    path = tmp_path / "report.html"
    path.write_text(report(declared_study(name=HOSTILE, text=HOSTILE)), encoding="utf-8")
    page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme="dark")
    page.set_default_timeout(120_000)
    wrong: list[str] = []
    page.on("console", lambda said: wrong.append(said.text) if said.type == "error" else None)
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("request", lambda r: wrong.append(r.url) if r.url.startswith("http") else None)
    page.goto(path.as_uri())
    page.wait_for_selector(".figure .main-svg")
    assert page.evaluate("window.hacked") is None
    assert page.evaluate("document.documentElement.scrollWidth - window.innerWidth") <= 0
    page.close()
    assert wrong == []


def test_the_command_writes_a_page_and_says_what_is_not_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    kept = optuna.create_study(
        storage="sqlite:///optnas.db", study_name="made", directions=["maximize", "minimize"]
    )
    kept.set_metric_names(["accuracy", "flops"])
    kept.add_trials(costed_study(trials=40).get_trials())
    assert call("report", "made", "-o", "made.html").exit_code == 0
    assert "<h1>made</h1>" in Path("made.html").read_text()
    refused = call("report", "made", "-o", "made.pdf")
    assert refused.exit_code == 2
    assert "ends in .html" in refused.output
    if CHROMIUM is not None:
        assert call("report", "made", "-o", "made.html", "--pdf").exit_code == 0
        assert Path("made.pdf").read_bytes().startswith(b"%PDF")
    monkeypatch.setenv("PATH", str(tmp_path))
    refused = call("report", "made", "-o", "made.html", "--pdf")
    assert refused.exit_code == 2
    assert "no Chromium" in refused.output
