"""Routes of the page and of its JSON; ``README.md`` beside this file says what each answers."""

from __future__ import annotations

import contextlib
import importlib.util
import json
import re
import threading
from collections import OrderedDict
from collections.abc import Callable
from datetime import datetime
from functools import wraps
from pathlib import Path
from typing import Any
from urllib.parse import quote

import optuna
from bottle import Bottle, HTTPResponse, request, static_file
from optuna.storages import BaseStorage
from optuna.trial import FrozenTrial

from optnas.errors import StorageError, UserError
from optnas.page.columns import StudyColumns, kind_of
from optnas.page.computed import Computed
from optnas.page.details import details, study_summary
from optnas.page.drawings import Drawings
from optnas.shown import one_line
from optnas.space.errors import SpaceError
from optnas.storages.guarded import trial_counts
from optnas.storages.waiting import impatient
from optnas.trials.optuna_internals import id_of
from optnas.trials.record import ARCHITECTURE

__all__ = ["Served", "pages"]

_STATIC = Path(__file__).parent / "static"
# Columns of this many studies are kept; those of another are made anew.
_MOST_STUDIES = 8
# plotly.js writes style attributes; scripts come from this server alone, and nothing is evaluated.
_PAGE_POLICY = (
    "default-src 'self'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:;"
    " object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
_DRAWING_POLICY = "default-src 'none'; style-src 'unsafe-inline'"
_SECURITY = {"X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer"}
# Names that a browser leaves as they are in a path.
_TIDY = re.compile(r"[\w .,+=()\[\]-]*[\w,+=()\[\]-]", re.ASCII)


def address_of(name: str) -> str:
    """Return the path of a study's page."""
    tidy = _TIDY.fullmatch(name) and name.strip(".")
    return f"/optnas/{quote(name)}" if tidy else f"/optnas/?study={quote(name, safe='')}"


def pages(served: Served) -> Bottle:
    """Return the application that answers ``/`` and what begins with ``/optnas``."""
    app = Bottle()
    # No longer than a database takes.
    app.router.add_filter("whole", lambda _: (r"[0-9]{1,18}", int, str))
    views: dict[str, Callable[..., Any]] = {
        "/api/studies": served.studies,
        "/api/studies/<number:whole>": served.study,
        "/api/studies/<number:whole>/trials": served.trials,
        "/api/studies/<number:whole>/trials/<trial:whole>": served.trial,
        "/api/studies/<number:whole>/outcome": served.outcome,
        "/api/studies/<number:whole>/matters": served.matters,
        "/api/studies/<number:whole>/parts": served.parts,
        "/api/studies/<number:whole>/figures/<name>": served.figure,
    }
    for path, view in views.items():
        app.get(f"/optnas{path}", callback=_as_json(served, view))
    app.get(
        "/optnas/api/studies/<number:whole>/trials/<trial:whole>/drawing.svg",
        callback=_told(served, served.drawing),
    )
    app.get("/optnas/static/plotly.min.js", callback=_plotly)
    app.get("/optnas/static/<file>", callback=lambda file: _file(file))
    app.get("/optnas/study/<number:whole>", callback=_told(served, served.by_number))
    for path in ("", "/", "/optnas"):
        app.get(path, callback=lambda: _to("/optnas/"))
    app.get("/optnas/api/<_:re:[\\s\\S]*>", callback=lambda _: _error(404, "there is no such address"))
    # Line feeds may stand in a study's name, too.
    app.get("/optnas/<name:re:[\\s\\S]*>", callback=_told(served, served.page))
    return app


class Served:
    """The pages, figures and JSON that the routes answer with, from one storage.

    Args:
        storage: The storage whose studies are shown; it is only read.
        url: Its URL, for the commands that the page offers to copy.
    """

    def __init__(self, storage: BaseStorage, url: str) -> None:
        self.storage = storage
        self._url = url
        self._columns: OrderedDict[tuple[int, str], StudyColumns] = OrderedDict()
        self._lock = threading.Lock()
        self._drawings = Drawings()
        self._computed = Computed()

    def page(self, name: str) -> HTTPResponse:
        """Return the page, which reads its own address; with one study, send to that study's."""
        if not name and "study" not in request.query:
            # Where the storage is away, the page says so.
            with contextlib.suppress(StorageError):
                found = optuna.get_all_study_names(self.storage)
                if len(found) == 1:
                    return _to(address_of(found[0]))
        return _file("index.html", {"Content-Security-Policy": _PAGE_POLICY})

    def by_number(self, number: int) -> HTTPResponse:
        return _to(address_of(self._study(number).study_name))

    def read_ahead(self) -> None:
        """Read the study that was begun last, whose page is likely to be opened next; it can take seconds."""
        # Whoever asks for what cannot be read is told why.
        with contextlib.suppress(Exception), impatient(self.storage):
            counts = trial_counts(self.storage)
            if counts:
                last = max(counts, key=lambda number: (counts[number][1] or datetime.min, number))
                self._columns_of(last).since("")

    def studies(self) -> Any:
        counts = trial_counts(self.storage)
        found = []
        for each in self.storage.get_all_studies():
            count, begun = counts.get(id_of(each), (0, None))
            found.append(
                {
                    "id": id_of(each),
                    "name": each.study_name,
                    "trials": count,
                    "objectives": len(each.directions),
                    "page": address_of(each.study_name),
                    "begun": None if begun is None else begun.isoformat(" ", "minutes"),
                }
            )
        return found

    def study(self, number: int) -> Any:
        return study_summary(self._study(number), number, self._url)

    def trials(self, number: int) -> Any:
        return self._columns_of(number).since(request.query.get("after", ""))

    def _columns_of(self, number: int) -> StudyColumns:
        study = self._study(number)
        key = (number, study.study_name)
        with self._lock:
            columns = self._columns.setdefault(key, StudyColumns(study))
            self._columns.move_to_end(key)
            if len(self._columns) > _MOST_STUDIES:
                self._columns.popitem(last=False)
        return columns

    def trial(self, number: int, trial: int) -> Any:
        study = self._study(number)
        return details(study, number, self._trial(study, trial), self._url)

    def outcome(self, number: int) -> Any:
        from optnas.reports.outcome import outcome

        study = self._study(number)
        return {"sentences": outcome(study, study.get_trials(deepcopy=False))}

    def matters(self, number: int) -> Any:
        from optnas.page.matters import what_matters

        name = request.query.getunicode("of", "")
        study = self._study(number)
        return self._computed.of(number, study, f"matters/{name}", lambda study: what_matters(study, name))

    def parts(self, number: int) -> Any:
        from optnas.reports.ablations import kept_in
        from optnas.reports.records import finite

        kept = kept_in(self._study(number))
        return [finite({"trial": trial, **found.as_record()}) for trial, found in kept.items()]

    def figure(self, number: int, name: str) -> Any:
        from optnas.page.matters import FIGURES, figure_of

        if name not in FIGURES:
            raise LookupError(f"there is no figure {name}; there are {', '.join(FIGURES)}")
        study = self._study(number)
        return self._computed.of(number, study, f"figures/{name}", lambda study: figure_of(study, name))

    def drawing(self, number: int, trial: int) -> HTTPResponse:
        study = self._study(number)
        found = self._trial(study, trial)
        text = ARCHITECTURE.of(found)
        if text is None:
            raise LookupError(f"trial {trial} is {kind_of(found)} and has no architecture on record")
        headers = {"Content-Type": "image/svg+xml; charset=utf-8", "Content-Security-Policy": _DRAWING_POLICY}
        if found.state.is_finished():
            headers["Cache-Control"] = "private, max-age=3600"
        try:
            svg = self._drawings.of(study, found, text)
        except UserError:
            if "quiet" in request.query:
                return HTTPResponse(status=204, headers=_SECURITY)
            raise
        return HTTPResponse(svg.encode(), headers=headers | _SECURITY)

    def _study(self, number: int) -> optuna.Study:
        try:
            name = self.storage.get_study_name_from_id(number)
            return optuna.load_study(study_name=name, storage=self.storage)
        except KeyError:  # of a deleted one the storage may know the name still
            raise LookupError(f"there is no study of number {number}") from None

    def _trial(self, study: optuna.Study, number: int) -> FrozenTrial:
        trials = study.get_trials(deepcopy=False)
        if number >= len(trials):
            raise LookupError(f"study {study.study_name!r} has no trial {number}")
        return trials[number]


def _told(served: Served, view: Callable[..., Any]) -> Callable[..., Any]:
    """Answer with the error's own words, as JSON, where a view raises one that is no mistake of ours.

    So it does where the storage is away: a browser has six connections to a server, which none must hold.
    """

    @wraps(view)
    def answer(*args: Any, **kwargs: Any) -> Any:
        try:
            with impatient(served.storage):
                return view(*args, **kwargs)
        except LookupError as error:
            return _error(404, str(error.args[0]) if error.args else "not found")
        except StorageError as error:
            return _error(503, str(error))
        except (UserError, SpaceError) as error:
            return _error(422, str(error))

    return answer


def _as_json(served: Served, view: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(view)
    def answer(*args: Any, **kwargs: Any) -> HTTPResponse:
        return _json(view(*args, **kwargs))

    return _told(served, answer)


def _to(path: str) -> HTTPResponse:
    return HTTPResponse(status=302, headers={"Location": path, "Cache-Control": "no-store"})


def _error(status: int, said: str) -> HTTPResponse:
    return _json({"error": one_line(said)}, status)


def _json(data: Any, status: int = 200) -> HTTPResponse:
    headers = {"Content-Type": "application/json", "Cache-Control": "no-store", **_SECURITY}
    return HTTPResponse(json.dumps(data, separators=(",", ":"), allow_nan=False), status, headers)


def _file(name: str, headers: dict[str, str] | None = None) -> HTTPResponse:
    found = static_file(name, str(_STATIC), headers={**_SECURITY, **(headers or {})})
    # It is asked for again after an update, and not sent where it is the same.
    found.set_header("Cache-Control", "no-cache")
    return found


def _plotly() -> HTTPResponse:
    """Return plotly.js of the installed plotly, which is not imported for it."""
    found = importlib.util.find_spec("plotly")
    if found is None or found.submodule_search_locations is None:
        return _error(404, "plotly is not installed")
    folder = Path(found.submodule_search_locations[0]) / "package_data"
    return static_file("plotly.min.js", str(folder), headers={"Cache-Control": "no-cache", **_SECURITY})
