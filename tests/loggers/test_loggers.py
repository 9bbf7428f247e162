"""Loggers: what TensorBoard, MLflow and W&B read of a study, once each trial, and places that fail."""

from __future__ import annotations

import json
import re
import struct
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.trial import TrialState, create_trial

import optnas.loggers.callback as callback_module
from optnas.errors import UserError
from optnas.loggers import MLflowCallback, TensorBoardCallback, WeightsAndBiasesCallback, make_logger
from optnas.loggers.callback import LoggerCallback, logging_to
from optnas.loggers.entry import Entry
from optnas.trials.optuna_internals import id_of
from optnas.trials.record import ARCHITECTURE, COSTS, METRICS, REASON
from tests.files import assert_refused, call, quick_study

HOSTILE = "<script>alert(1)</script>'\"\x1b[31m\n\u202eabc"


@pytest.fixture(autouse=True)
def _offline(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_SILENT", "true")
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)


def study_of(name: str = "digits") -> optuna.Study:
    """A study of a complete, a pruned and a failed trial."""
    study = optuna.create_study(study_name=name, directions=["maximize", "minimize"])
    study.set_metric_names(["accuracy", "flops"])
    params: dict[str, Any] = {"width": 16, "layer0.op": "conv", "lr": 0.01, "bias": True}
    choices = {name: optuna.distributions.CategoricalDistribution([value]) for name, value in params.items()}
    common = {ARCHITECTURE.name: "seq(conv(16), head)", COSTS.name: {"flops": 2e6, "params": 10.0}}
    curve = {"rung:1": [0.3, 2e6], "rung:3": [0.6, 2e6]}
    metrics = {METRICS.name: {"accuracy": 0.9, "loss": 0.2, "seconds": 3.0}}
    for state, attributes in (
        (TrialState.COMPLETE, {**common, **curve, **metrics}),
        (TrialState.PRUNED, {**common, **curve, REASON.name: "worse than half of the trials at rung 3"}),
        (TrialState.FAIL, {**common, REASON.name: "RuntimeError: no kernel"}),
    ):
        values = [0.9, 2e6] if state == TrialState.COMPLETE else None
        study.add_trial(
            create_trial(
                state=state, values=values, params=params, distributions=choices, user_attrs=attributes
            )
        )
    return study


def log_all(logger: LoggerCallback, study: optuna.Study) -> None:
    for trial in study.trials:
        logger(study, trial)
    assert not logger._waiting


def read_run(run: Path) -> Any:
    accumulators = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    return accumulators.EventAccumulator(str(run)).Reload()


def hparams_of(events: Any) -> tuple[dict[str, Any], int]:
    """Return the parameters and the status that the HParams plugin reads."""
    data = pytest.importorskip("tensorboard.plugins.hparams.plugin_data_pb2")
    metadata = pytest.importorskip("tensorboard.plugins.hparams.metadata")
    found = events.summary_metadata
    start, end = (
        data.HParamsPluginData.FromString(found[tag].plugin_data.content)
        for tag in (metadata.SESSION_START_INFO_TAG, metadata.SESSION_END_INFO_TAG)
    )
    values = {
        name: getattr(value, value.WhichOneof("kind"))
        for name, value in start.session_start_info.hparams.items()
    }
    return values, end.session_end_info.status


def test_tensorboard_reads_curves_figures_parameters_and_how_a_trial_ended(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    log_all(TensorBoardCallback(tmp_path), study_of())
    assert sorted(path.name for path in (tmp_path / "digits").iterdir()) == [
        "trial-00000",
        "trial-00001",
        "trial-00002",
    ]
    events = read_run(tmp_path / "digits" / "trial-00000")
    assert [(e.step, round(e.value, 5)) for e in events.Scalars("rung/accuracy")] == [(1, 0.3), (3, 0.6)]
    last = {tag: events.Scalars(tag)[-1].value for tag in events.Tags()["scalars"]}
    assert last["value/accuracy"] == pytest.approx(0.9)
    assert last["cost/params"] == 10.0
    assert last["metric/loss"] == pytest.approx(0.2)
    (text,) = events.Tensors("architecture/text_summary")
    assert text.tensor_proto.string_val == [b"    seq(conv(16), head)"]
    params, status = hparams_of(events)
    assert params == {"width": 16.0, "layer0.op": "conv", "lr": 0.01, "bias": True, "state": "complete"}
    failed = read_run(tmp_path / "digits" / "trial-00002")
    values, failure = hparams_of(failed)
    assert values["state"] == "fail"
    assert failure != status
    assert failed.Tensors("reason/text_summary")[0].tensor_proto.string_val == [
        b"    RuntimeError: no kernel"
    ]


def test_tensorboard_s_hparams_page_has_a_row_a_trial(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing import data_provider, plugin_event_multiplexer
    from tensorboard.context import RequestContext
    from tensorboard.plugins import base_plugin
    from tensorboard.plugins.hparams import api_pb2, backend_context, get_experiment, list_session_groups

    log_all(TensorBoardCallback(tmp_path), study_of())
    events = plugin_event_multiplexer.EventMultiplexer()
    events.AddRunsFromDirectory(str(tmp_path))
    events.Reload()
    provider = data_provider.MultiplexerDataProvider(events, str(tmp_path))
    context = backend_context.Context(base_plugin.TBContext(data_provider=provider, logdir=str(tmp_path)))
    experiment = get_experiment.Handler(
        RequestContext(), context, "", api_pb2.GetExperimentRequest(include_metrics=True)
    ).run()
    assert {info.name for info in experiment.hparam_infos} >= {"width", "layer0.op", "lr"}
    statuses = [api_pb2.STATUS_SUCCESS, api_pb2.STATUS_FAILURE]
    request = api_pb2.ListSessionGroupsRequest(
        start_index=0, slice_size=10, allowed_statuses=statuses, include_metrics=True
    )
    groups = list_session_groups.Handler(RequestContext(), context, "", request).run().session_groups
    assert sorted(group.name for group in groups) == ["trial 0", "trial 1", "trial 2"]


def test_mlflow_reads_a_run_a_trial_and_has_each_once() -> None:
    mlflow = pytest.importorskip("mlflow")
    uri, study = "sqlite:///mlflow.db", study_of()
    log_all(MLflowCallback(uri), study)
    client = mlflow.MlflowClient(uri)
    experiment = client.get_experiment_by_name("digits").experiment_id
    runs = sorted(client.search_runs([experiment]), key=lambda run: run.data.tags["optnas.trial"])
    assert [run.info.status for run in runs] == ["FINISHED", "KILLED", "FAILED"]
    assert [run.info.run_name for run in runs] == ["trial 0", "trial 1", "trial 2"]
    complete, pruned, failed = runs
    assert complete.data.params == {"width": "16", "layer0.op": "conv", "lr": "0.01", "bias": "True"}
    assert complete.data.tags["optnas.architecture"] == "seq(conv(16), head)"
    assert complete.data.metrics["value/accuracy"] == 0.9
    assert complete.data.metrics["cost/params"] == 10.0
    history = client.get_metric_history(complete.info.run_id, "rung/accuracy")
    assert sorted((metric.step, metric.value) for metric in history) == [(1, 0.3), (3, 0.6)]
    assert pruned.data.tags["optnas.reason"].startswith("worse than half")
    assert failed.data.tags["optnas.reason"] == "RuntimeError: no kernel"
    log_all(MLflowCallback(uri), study)  # as another process would
    assert len(client.search_runs([experiment])) == 3


def records_of(file: Path) -> Iterator[bytes]:
    """Yield the records of a run of W&B, a log as LevelDB's: pieces in blocks of 32 KiB behind a header."""
    content, at, whole = file.read_bytes(), 7, b""
    while at + 7 <= len(content):
        if (left := 2**15 - at % 2**15) < 7:
            at += left
            continue
        length, kind = struct.unpack_from("<HB", content, at + 4)
        whole += content[at + 7 : at + 7 + length]
        at += 7 + length
        if kind in (1, 4):  # whole, or its last piece
            yield whole
            whole = b""


def test_wandb_writes_a_run_a_trial_offline(tmp_path: Path) -> None:
    pytest.importorskip("wandb")
    from wandb.proto import wandb_internal_pb2

    log_all(WeightsAndBiasesCallback("project"), study_of())
    files = sorted(tmp_path.glob("wandb/offline-run-*/run-*.wandb"))
    assert len(files) == 3
    summaries, configs, histories = {}, {}, []
    for file in files:
        name, deadline, records = "", time.monotonic() + 60, []
        # A process of W&B's own writes them.
        while not (records and records[-1].HasField("exit")) and time.monotonic() < deadline:
            records = [wandb_internal_pb2.Record.FromString(data) for data in records_of(file)]
        for record in records:
            if record.HasField("run"):
                name = record.run.display_name
                assert (record.run.project, record.run.run_group) == ("project", "digits")
                configs[name] = {i.key: json.loads(i.value_json) for i in record.run.config.update}
            for item in record.summary.update:
                key = item.key or "/".join(item.nested_key)
                summaries.setdefault(name, {})[key] = json.loads(item.value_json)
            if record.HasField("history"):
                histories.append(
                    {i.key or i.nested_key[0]: json.loads(i.value_json) for i in record.history.item}
                )
    assert sorted(configs) == ["trial 0", "trial 1", "trial 2"]
    assert configs["trial 0"]["architecture"] == "seq(conv(16), head)"
    assert configs["trial 0"]["width"] == 16
    assert summaries["trial 0"]["value/accuracy"] == 0.9
    assert summaries["trial 2"]["state"] == "fail"
    assert summaries["trial 2"]["reason"] == "RuntimeError: no kernel"
    assert [each["rung/accuracy"] for each in histories] == [0.3, 0.6, 0.3, 0.6]


def test_names_of_strangers_stay_in_the_folder_and_are_text(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    for name in ("../../elsewhere", "..", "/etc/x", HOSTILE, "n" * 400):
        study = optuna.create_study(study_name=name, directions=["maximize"])
        study.set_metric_names([HOSTILE])
        choices = {HOSTILE: optuna.distributions.CategoricalDistribution([HOSTILE])}
        attributes = {ARCHITECTURE.name: HOSTILE, REASON.name: HOSTILE, COSTS.name: {HOSTILE: 1.0}}
        study.add_trial(
            create_trial(
                values=[1.0], params={HOSTILE: HOSTILE}, distributions=choices, user_attrs=attributes
            )
        )
        log_all(TensorBoardCallback(tmp_path / "runs"), study)
    assert [path.name for path in tmp_path.iterdir()] == ["runs"]
    runs = sorted((tmp_path / "runs").glob("*/trial-00000"))
    assert len(runs) == 5
    events = read_run(next(run for run in runs if "script" in run.parent.name))
    (text,) = events.Tensors("architecture/text_summary")
    (shown,) = text.tensor_proto.string_val
    assert shown.startswith(b"    <script>")
    assert not re.search("[\x00-\x1f\u202e]", shown.decode())


def test_mlflow_takes_names_of_strangers() -> None:
    mlflow = pytest.importorskip("mlflow")
    study = optuna.create_study(study_name=HOSTILE, directions=["maximize"])
    study.set_metric_names([HOSTILE])
    names = [f"{HOSTILE}{i}" for i in range(150)]
    choices = {name: optuna.distributions.CategoricalDistribution(["x" * 9000]) for name in names}
    attributes = {ARCHITECTURE.name: "conv" * 9000, COSTS.name: {HOSTILE: 1.0, "infinite": 1e308}}
    params = dict.fromkeys(names, "x" * 9000)
    trial = create_trial(values=[float("inf")], params=params, distributions=choices, user_attrs=attributes)
    study.add_trial(trial)
    logger = MLflowCallback("sqlite:///mlflow.db")
    log_all(logger, study)
    client = mlflow.MlflowClient("sqlite:///mlflow.db")
    (experiment,) = (each for each in client.search_experiments() if "script" in each.name)
    (run,) = client.search_runs([experiment.experiment_id])
    assert len(run.data.params) == 150


class Broken(LoggerCallback):
    name, packages = "broken", ()
    logged: list[int]

    def __init__(self) -> None:
        super().__init__()
        self.fails, self.logged = True, []

    def log(self, entry: Entry) -> None:
        if self.fails:
            raise ConnectionError("no route to \x1b[31mhost\nhttp://me:s3cret@host")
        self.logged.append(entry.number)


def test_a_place_that_fails_is_told_once_and_gets_all_trials_later(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(callback_module, "_AGAIN_SECONDS", 0.0)
    study, logger = study_of(), Broken()
    with logging_to(study, [logger]) as finished:
        for trial in study.trials[:2]:
            finished(id_of(trial))
        (line,) = capsys.readouterr().err.splitlines()
        assert line.startswith("optnas: broken cannot be reached or written, trials go on without: ")
        assert "s3cret" not in line
        assert "\x1b" not in line
        logger.fails = False
        finished(id_of(study.trials[2]))
    assert sorted(logger.logged) == [0, 1, 2]
    assert capsys.readouterr().err == ""


def test_a_trial_that_a_place_refuses_holds_up_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(callback_module, "_AGAIN_SECONDS", 0.0)

    class Refuses(Broken):
        def log(self, entry: Entry) -> None:
            self.fails = entry.number == 0
            super().log(entry)

    study, logger = study_of(), Refuses()
    with logging_to(study, [logger]) as finished:
        for trial in study.trials:
            finished(id_of(trial))
    assert sorted(logger.logged) == [1, 2]


def test_trials_that_never_got_there_are_counted_at_the_end(capsys: pytest.CaptureFixture[str]) -> None:
    study, logger = study_of(), Broken()
    with logging_to(study, [logger]) as finished:
        for trial in study.trials:
            finished(id_of(trial))
    assert capsys.readouterr().err.splitlines()[-1] == "optnas: 3 trials are not logged to broken"


@pytest.mark.parametrize("workers", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_a_run_logs_each_trial_once_by_whoever_finished_it(workers: int, tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    quick_study(tmp_path)
    result = call("run", "quick.py", "--trials", 6, "--workers", workers, "--log", "tensorboard:logs")
    assert result.exit_code == 0, result.output
    runs = sorted(path.name for path in (tmp_path / "logs" / "quick").iterdir())
    assert runs == [f"trial-{number:05}" for number in range(6)]
    for run in runs:
        assert read_run(tmp_path / "logs" / "quick" / run).Scalars("value/score")


def test_a_place_that_cannot_be_written_fails_no_trial(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    quick_study(tmp_path)
    Path("logs").write_text("a file")
    result = call("run", "quick.py", "--trials", 3, "--workers", 1, "--log", "tensorboard:logs")
    assert result.exit_code == 0, result.output
    assert "3 complete" in result.output
    assert result.output.count("trials go on without") == 1


def test_a_study_calls_back_by_trial_in_optuna_too(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    study = optuna.create_study(study_name="plain")
    study.optimize(lambda trial: trial.suggest_float("x", 0, 1), 2, callbacks=[TensorBoardCallback("logs")])
    assert len(list(Path("logs/plain").iterdir())) == 2


def test_an_unknown_logger_and_a_missing_package_are_said_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    quick_study(tmp_path)
    assert_refused(call("run", "quick.py", "--log", "tensorbord:runs"), "did you mean 'tensorboard'?")
    monkeypatch.setattr(MLflowCallback, "packages", ("no_such_package",))
    with pytest.raises(UserError, match=r"pip install 'optnas\[mlflow\]'"):
        make_logger("mlflow:sqlite:///mlflow.db")
