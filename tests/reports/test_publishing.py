"""Notes, drawings and figures that optuna-dashboard shows, read by its own code from real storages."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from wsgiref.util import setup_testing_defaults

import optuna
import pytest
from markdown_it import MarkdownIt
from optuna.artifacts import FileSystemArtifactStore
from optuna.storages import BaseStorage, InMemoryStorage
from optuna.trial import FrozenTrial, TrialState, create_trial
from optuna_dashboard import get_note, save_note, wsgi
from optuna_dashboard._custom_plot_data import get_plotly_graph_objects
from optuna_dashboard._note import get_note_from_system_attrs
from optuna_dashboard.artifact._backend import list_trial_artifacts

import optnas.ops  # noqa: F401 - known before a test forgets the ops that it met
from optnas.reports import publishing
from optnas.reports.publishing import publish, to_note
from optnas.storages.opening import open_storage
from optnas.trials.optuna_internals import id_of, identity, study_system_attrs
from optnas.trials.record import ABOUT, ARCHITECTURE, COSTS, METRICS, PUBLISHED, REASON

HOSTILE = "<script>alert(1)</script> [x](javascript:1) `a|b` **b**\n# c\x1b[31m\u202e"


@pytest.fixture(params=["memory", "sqlite", "journal"])
def storage(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[BaseStorage]:
    if request.param == "memory":
        yield InMemoryStorage()
    else:
        yield open_storage(f"sqlite:///{tmp_path}/a.db" if request.param == "sqlite" else f"{tmp_path}/a.log")


def trial_of(number: int, accuracy: float | None, text: str = "") -> FrozenTrial:
    attributes = {
        ARCHITECTURE.name: f"seq(conv({number + 4}), relu, head)",
        COSTS.name: {"flops": 100.0 * number, "params": 12},
        METRICS.name: {"accuracy": accuracy or 0.0, "seconds": 1.5},
        "rung:1": [0.1, 100.0 * number],
        "rung:3": [0.2, 100.0 * number],
        **({} if accuracy is not None else {REASON.name: f"not among the best {text}"}),
    }
    return create_trial(
        state=TrialState.PRUNED if accuracy is None else TrialState.COMPLETE,
        values=None if accuracy is None else [accuracy, 100.0 * number],
        params={"op": "conv"},
        distributions={"op": optuna.distributions.CategoricalDistribution(("conv", "identity"))},
        user_attrs=attributes,
    )


def study_in(storage: BaseStorage, text: str = "") -> optuna.Study:
    study = optuna.create_study(
        study_name=f"seen{text}", storage=storage, directions=["maximize", "minimize"]
    )
    study.set_metric_names([f"accuracy{text}", "flops"])
    ABOUT.put(
        study,
        {
            "shape": [1, 8, 8],
            "context": {"outputs": 10},
            "space": "seq(conv(integer(4, 8)), relu, head)",
            "size": 5,
            "task": "classification",
            "data": f"digits{text}",
            "training": {"epochs": "9"},
            "file": f"studies/digits{text}.py",
        },
    )
    study.add_trials([trial_of(1, 0.9), trial_of(2, 0.8), trial_of(3, None, text), trial_of(4, 0.95)])
    return study


def published(study: optuna.Study, **options: object) -> publishing.Published:
    trials = study.get_trials(deepcopy=False)
    return publish(study, trials, to_note(study, trials), **options)  # type: ignore[arg-type]


def note(study: optuna.Study, number: int) -> str:
    trial = study.get_trials(deepcopy=False)[number]
    return str(get_note_from_system_attrs(study_system_attrs(study), id_of(trial))["body"])


def test_the_dashboard_shows_why_a_trial_ended_its_curve_its_layers_and_how_to_train_it(
    storage: BaseStorage,
) -> None:
    study = study_in(storage)
    assert published(study).notes == 4
    first, pruned = note(study, 0), note(study, 2)
    assert "**Complete** after 1.5 s" in first
    assert "| accuracy&emsp; | 0.1000&emsp; | 0.2000&emsp; | 0.9000&emsp; |" in first
    assert "conv(5)" in first
    assert "5×8×8" in first
    assert "`optnas train studies/digits.py --trial 0" in first
    assert "**Pruned**: not among the best" in pruned


def test_a_metric_that_stayed_the_same_is_in_the_curve_of_its_trial() -> None:
    study = study_in(InMemoryStorage())
    trial = trial_of(5, None)
    trial.set_user_attr("rung:3", [0.1, 500.0])
    study.add_trial(trial)
    published(study)
    body = note(study, 4)
    assert "| accuracy&emsp; | 0.1000&emsp; | 0.1000&emsp; |" in body
    assert "| flops&emsp; | 500" not in body


def test_the_study_has_a_note_with_its_front_and_figures(storage: BaseStorage) -> None:
    study = study_in(storage)
    assert published(study).figures == 3  # too few trials for the others
    body = get_note(study)
    assert "maximize accuracy and minimize flops" in body
    assert f"[3](/dashboard/studies/{study._study_id}/trials?numbers=3)" in body
    assert "optnas run studies/digits.py --trials 104" in body
    figures = get_plotly_graph_objects(study_system_attrs(study))
    assert {f"optnas-{name}" for name in ("front", "learning-curves", "preferences")} <= figures.keys()
    for figure in figures.values():
        assert json.loads(figure)["data"]


def test_to_publish_again_changes_nothing_and_new_trials_are_added(storage: BaseStorage) -> None:
    study = study_in(storage)
    published(study)
    before = study_system_attrs(study)
    again = published(study)
    assert (again.notes, again.drawings, again.figures) == (0, 0, 0)
    assert study_system_attrs(study) == before
    study.add_trials([trial_of(5, 0.99)])
    assert published(study).notes == 1
    assert study_system_attrs(study)[PUBLISHED.name] == 5
    assert "5 trials" in get_note(study)


def test_a_note_that_a_person_wrote_or_changed_or_emptied_stays(storage: BaseStorage) -> None:
    study = study_in(storage)
    save_note(study, "mine")
    published(study)
    assert get_note(study) == "mine"
    running = [optuna.trial.Trial(study, id_of(trial)) for trial in study.get_trials(deepcopy=False)]
    changed = note(study, 0).replace("Complete", "Splendid")
    save_note(running[0], changed)
    save_note(running[1], "")
    assert published(study).notes == 0
    assert note(study, 0) == changed
    assert note(study, 1) == ""


def test_notes_of_an_earlier_version_are_written_anew_and_shorten(
    storage: BaseStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    study = study_in(storage)
    monkeypatch.setattr(publishing, "trial_note", lambda *_: "long " * 1000)
    published(study)
    monkeypatch.setattr(publishing, "trial_note", lambda *_: "short")
    assert published(study, only_new=True).notes == 0
    assert published(study).notes == 4
    assert note(study, 0).startswith("short\n")


def test_drawings_are_artifacts_of_their_trials(storage: BaseStorage, tmp_path: Path) -> None:
    study, store = study_in(storage), FileSystemArtifactStore(tmp_path)
    assert published(study, store=store).drawings == 4
    trial = study.get_trials(deepcopy=False)[0]
    (found,) = list_trial_artifacts(study_system_attrs(study), {}, trial)
    assert (found["filename"], found["mimetype"]) == ("trial-0.svg", "image/svg+xml")
    with store.open_reader(found["artifact_id"]) as reader:
        assert reader.read().startswith(b"<svg")
    assert published(study, store=store).drawings == 0


def test_optuna_dashboard_serves_the_drawings(storage: BaseStorage, tmp_path: Path) -> None:
    study, store = study_in(storage), FileSystemArtifactStore(tmp_path)
    published(study, store=store)
    trial = study.get_trials(deepcopy=False)[0]
    (found,) = list_trial_artifacts(study_system_attrs(study), {}, trial)
    path = f"/artifacts/{identity(study)[1]}/{id_of(trial)}/{found['artifact_id']}"
    answered: list[str] = []
    environment: dict[str, Any] = {"PATH_INFO": path}
    setup_testing_defaults(environment)
    body = b"".join(wsgi(storage, store)(environment, lambda status, *_: answered.append(status)))
    assert answered == ["200 OK"]
    assert body.startswith(b"<svg")


def test_strangers_texts_are_text_in_notes_and_figures() -> None:
    study = study_in(InMemoryStorage(), HOSTILE)
    published(study)
    for body in (get_note(study), *(note(study, number) for number in range(4))):
        tokens = MarkdownIt("commonmark", {"html": True}).enable("table").parse(body)
        inside = [token for each in tokens for token in each.children or ()]
        assert not {"html_block", "heading_open"} & {token.type for token in tokens}
        assert "html_inline" not in {token.type for token in inside}
        links = [str(token.attrs["href"]) for token in inside if token.type == "link_open"]
        assert all(link.startswith("/dashboard/studies/") for link in links)
        assert "\x1b" not in body
        assert "\u202e" not in body
    assert "<script>alert(1)</script> [x](javascript:1)" in "".join(
        token.content for token in MarkdownIt().parse(note(study, 2))[1].children or ()
    )
    for figure in get_plotly_graph_objects(study_system_attrs(study)).values():
        assert "<script>" not in figure
        assert "\\u202e" not in figure


def test_a_study_without_anything_that_optnas_records_is_published_too(storage: BaseStorage) -> None:
    study = optuna.create_study(study_name="foreign", storage=storage)
    study.optimize(lambda trial: trial.suggest_float("x", 0, 1), n_trials=3)
    assert published(study).notes == 3
    assert "value 0" in note(study, 0)
    assert "3 trials" in get_note(study)


def test_of_a_large_study_the_front_alone_is_noted() -> None:
    study = study_in(InMemoryStorage())
    trials = study.get_trials(deepcopy=False)
    assert len(to_note(study, trials)) == 4
    assert {trial.number for trial in to_note(study, trials, 10_000)} == {0, 3}
