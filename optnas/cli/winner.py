"""The commands that train a winner and ask it: train, predict."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from optnas.cli.app import INTERRUPTED, app, err, out
from optnas.cli.options import ChangedOpsOption, OpsOption, StorageOption
from optnas.storages.opening import DEFAULT_STORAGE

__all__: list[str] = []


@app.command()
def train(
    study: Annotated[
        str,
        typer.Argument(
            metavar="FILE",
            help="The study file, as the task stands in it; FILE.py:NAME for one of several.",
        ),
    ],
    trial: Annotated[int | None, typer.Option("--trial", "-t", help="The trial to train.")] = None,
    architecture: Annotated[
        str | None, typer.Option("--architecture", "-a", help="An architecture's text to train instead.")
    ] = None,
    front: Annotated[bool, typer.Option("--front", help="Train every trial of the front.")] = False,
    seeds: Annotated[int, typer.Option(help="How many times, each with another seed.")] = 1,
    epochs: Annotated[int | None, typer.Option(help="By default as many as the trial's.")] = None,
    patience: Annotated[
        int | None, typer.Option(help="Stop after so many epochs without a better one.")
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="NAME=VALUE", help="Train with another value than the trial did."),
    ] = None,
    folder: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="The folder to write; by default runs/STUDY-TRIAL."),
    ] = None,
    all_data: Annotated[
        bool,
        typer.Option("--all-data", help="Then train on training and validation part, as long as chosen."),
    ] = False,
    ensemble: Annotated[
        bool, typer.Option("--ensemble", help="Keep the networks of all seeds, as one that is their mean.")
    ] = False,
    license_: Annotated[
        str, typer.Option("--license", metavar="ID", help="The network's licence for its card, such as mit.")
    ] = "",
    data_license: Annotated[str, typer.Option(metavar="ID", help="The data's licence.")] = "",
    data_source: Annotated[str, typer.Option(metavar="TEXT", help="Where the data is from.")] = "",
    workers: Annotated[
        int, typer.Option("--workers", "-w", help="Processes that train seeds and trials at once.")
    ] = 1,
    threads: Annotated[
        int | None, typer.Option(help="Threads of each process; 1 is fastest for small networks.")
    ] = None,
    storage: StorageOption = DEFAULT_STORAGE,
) -> None:
    """Train a network fully, and write its weights, its test metrics and a model card.

    What is kept is the epoch that is best on the validation part; the test part is looked at once, at
    the end. Run it again to go on where it was stopped.

    [dim]Examples:[/]

      optnas train studies/digits.py --trial 17

      optnas train studies/digits.py --trial 17 --seeds 3 --epochs 50

      optnas train studies/digits.py --front --out runs --workers 2

      optnas train studies/digits.py --trial 17 --seeds 5 --ensemble --all-data

      optnas train studies/digits.py --trial 17 --license apache-2.0

      optnas train studies/digits.py -a "seq(conv(16), relu, head)" --set lr=0.01
    """
    from optnas.winner.command import TrainOptions, train_command

    more = [] if epochs is None else [f"epochs={epochs}"]
    given = {"license": license_, "data_license": data_license, "data_source": data_source}
    wanted = TrainOptions(
        trial,
        architecture,
        front,
        seeds,
        patience,
        (*(settings or ()), *more),
        folder,
        all_data=all_data,
        ensemble=ensemble,
        card={name: value for name, value in given.items() if value},
    )
    try:
        train_command(study, storage, wanted, threads=threads, console=out, workers=workers)
    except KeyboardInterrupt:
        out.print("Stopped. Run the same command to go on.")
        raise typer.Exit(INTERRUPTED) from None


@app.command()
def predict(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="The folder that optnas train wrote.")],
    given: Annotated[
        Path,
        typer.Argument(
            metavar="INPUT",
            help="A CSV file of rows, a .npy file of arrays, or whatever it learned from; - for CSV or lines"
            " of text on standard input.",
        ),
    ],
    file: Annotated[
        Path, typer.Option("--out", "-o", help="The CSV file to write; - for standard output.")
    ] = Path("-"),
    with_input: Annotated[
        bool, typer.Option("--with-input", help="Write the columns of a table before its predictions.")
    ] = False,
    ops: OpsOption = None,
    changed_ops: ChangedOpsOption = False,
) -> None:
    """Predict for raw samples in a file: a line of CSV for each, in their order.

    The file is read a piece at a time, however large it is; nothing else than the folder is needed, and
    what defines ops of your own if the network has some.

    [dim]Examples:[/]

      optnas predict runs/houses-17 new.csv -o prices.csv

      optnas predict runs/houses-17 new.csv.gz --with-input

      zcat new.csv.gz | optnas predict runs/houses-17 - | sort

      optnas predict runs/houses-17 new.csv --ops my_ops.py
    """
    from optnas.winner.predicting import STREAM, predict_command

    try:
        predict_command(
            run, given, file, with_input=with_input, console=err, ops=ops or (), changed_ops=changed_ops
        )
    except KeyboardInterrupt:
        err.print("Stopped." if file == STREAM else "Stopped; nothing was written.")
        raise typer.Exit(INTERRUPTED) from None
