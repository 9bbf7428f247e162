"""The commands that look at a storage, or serve it: status, pareto, show, dashboard, storage-proxy."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from optnas.cli.app import app, err, out
from optnas.cli.options import StorageOption, StudyArgument, StudyOption, named_study
from optnas.shown import write
from optnas.storages.opening import DEFAULT_STORAGE

__all__: list[str] = []


@app.command()
def status(storage: StorageOption = DEFAULT_STORAGE) -> None:
    """Show every study of a storage: trials by state, best values, what is of use.

    [dim]Examples:[/]

      optnas status

      optnas status --storage sqlite:///other.db
    """
    from optnas.reports.terminal import StudiesView
    from optnas.run.last_signs import last_signs
    from optnas.run.lookup import all_studies

    out.print(StudiesView(all_studies(storage), last_signs))


@app.command()
def pareto(
    study: StudyArgument = None,
    named: StudyOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, with everything recorded.")] = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print CSV.")] = False,
    plot: Annotated[
        Path | None,
        typer.Option(
            help="Draw the front into this file: .html, or .svg, .png or .pdf, which need"
            " pip install 'optnas\\[pictures]'."
        ),
    ] = None,
    storage: StorageOption = DEFAULT_STORAGE,
) -> None:
    """Show the front: the trials that no other beats in every objective; on a terminal with a chart.

    [dim]Examples:[/]

      optnas pareto

      optnas pareto digits --csv > front.csv

      optnas pareto digits --plot front.html
    """
    from optnas.reports import records
    from optnas.reports.terminal import FrontView
    from optnas.run.lookup import find_study
    from optnas.trials.progress import equal_to, front

    study = named_study(study, named)
    found = find_study(storage, study)
    trials = found.get_trials(deepcopy=False)
    best = front(found, trials)
    equal = equal_to(best, trials)
    if plot is not None:
        from optnas.reports.figures import front_figure, write_figure

        write_figure(front_figure(found), plot)
        err.print(f"Wrote {plot}")
    if as_json:
        write(records.as_json(records.as_records(found, best, equal)))
    elif as_csv:
        write(records.as_csv(found, best, equal=equal))
    elif best:
        out.print(FrontView(found, trials, best, equal))
    else:
        out.print(f"Study {found.study_name!r} has no complete trial yet.")


@app.command()
def show(
    trial: Annotated[int, typer.Argument(help="The trial's number.")],
    study: StudyOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    svg: Annotated[Path | None, typer.Option(help="Draw the architecture into this .svg file.")] = None,
    activations: Annotated[
        Path | None,
        typer.Option(
            help="Plot its activations, as learned, beside relu, swish and mish into this .svg file."
        ),
    ] = None,
    layers: Annotated[
        bool, typer.Option("--layers", help="Show a table of the layers with their shapes and costs.")
    ] = False,
    expand: Annotated[
        bool, typer.Option("--expand", help="In both, open blocks and write repetitions out.")
    ] = False,
    storage: StorageOption = DEFAULT_STORAGE,
) -> None:
    """Show everything a trial's record says.

    [dim]Examples:[/]

      optnas show 17

      optnas show 17 --layers

      optnas show 17 --svg architecture.svg

      optnas show 17 --activations activations.svg

      optnas show 17 --study digits --json
    """
    from optnas.reports import records, terminal
    from optnas.run.lookup import find_study, find_trial

    found = find_study(storage, study, "--study")
    frozen = find_trial(found, trial)
    if svg is not None:
        from optnas.reports.about import architecture_drawing

        architecture_drawing(found, frozen, expand).save(svg)
        err.print(f"Wrote {svg}")
    if activations is not None:
        from optnas.reports.about import activations_drawing

        activations_drawing(frozen).save(activations)
        err.print(f"Wrote {activations}")
    if (svg is not None or activations is not None) and not (layers or as_json):
        return
    if layers:
        from optnas.reports.layers_view import layers_view

        out.print(layers_view(found, frozen, expand=expand))
    elif as_json:
        write(records.as_json(records.as_record(found, frozen)))
    else:
        out.print(terminal.trial_view(found, frozen))


@app.command()
def publish(
    study: StudyArgument = None,
    named: StudyOption = None,
    artifacts: Annotated[
        str | None,
        typer.Option(
            metavar="PLACE",
            envvar="OPTNAS_ARTIFACTS",
            help="Where drawings are kept: a folder, s3://bucket/prefix, gs://bucket/prefix or none. By"
            " default the folder beside the storage.",
        ),
    ] = None,
    storage: StorageOption = DEFAULT_STORAGE,
) -> None:
    """Write notes, drawings and figures of a study for optuna-dashboard, as optnas run does.

    It is for studies that an older optnas has run, or another program. What a person has written
    stays; to do it again changes nothing.

    [dim]Examples:[/]

      optnas publish

      optnas publish digits --storage sqlite:///other.db
    """
    from optnas.run.lookup import find_study
    from optnas.run.publisher import publish_all

    study = named_study(study, named)
    out.print(publish_all(find_study(storage, study), storage, artifacts))


@app.command()
def dashboard(
    storage: StorageOption = DEFAULT_STORAGE,
    port: Annotated[int, typer.Option(help="Where to listen; 0 takes a free one.", min=0, max=65535)] = 8080,
    host: Annotated[
        str,
        typer.Option(
            help="Where to listen, and the name that is answered to. On any but a loopback address, such as"
            " 0.0.0.0, requests need the token of the address that is printed; nothing is encrypted."
        ),
    ] = "127.0.0.1",
) -> None:
    """Explore each study's front on its page, in a browser, with optuna-dashboard beside it.

    [dim]Examples:[/]

      optnas dashboard

      optnas dashboard --host 0.0.0.0

      optnas dashboard --port 9000 --storage sqlite:///other.db
    """
    from optnas.page.server import serve

    serve(storage, host, port, announce=lambda url: out.print(f"Listening on {url} (Ctrl-C ends it)"))


@app.command()
def storage_proxy(
    storage: StorageOption = DEFAULT_STORAGE,
    port: Annotated[int, typer.Option(help="Where to listen.", min=1, max=65535)] = 13000,
    host: Annotated[
        str,
        typer.Option(
            help="The address to listen on, such as 0.0.0.0. The proxy asks nobody who they are, and encrypts"
            " nothing: keep it in your network."
        ),
    ] = "127.0.0.1",
) -> None:
    """Serve a database over gRPC, for more workers than it has connections, or who cannot reach it.

    Workers then use --storage grpc://host:port. It is Optuna's own proxy, and holds the studies' locks.

    [dim]Examples:[/]

      optnas storage-proxy -s postgresql://user:password@host/database
    """
    from optnas.run.storage_proxy import serve

    serve(storage, host, port, announce=lambda url: out.print(f"Serving {url} (Ctrl-C ends it)"))
