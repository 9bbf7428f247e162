"""The command that writes a trained network for other runtimes: export."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from optnas.cli.app import app, out
from optnas.cli.options import ChangedOpsOption, OpsOption
from optnas.shown import sentence, write

__all__: list[str] = []


@app.command()
def export(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="A folder that optnas train wrote.")],
    name: Annotated[
        str, typer.Option("--format", "-f", help="onnx, torch-export, openvino, python or safetensors.")
    ] = "onnx",
    to: Annotated[
        Path | None,
        typer.Option(
            "--out", "-o", help="The file to write, for python a folder; by default RUN/exported/model.…"
        ),
    ] = None,
    quantize: Annotated[
        str | None,
        typer.Option(metavar="int8", help="Compute in int8; needs --data. For onnx and openvino."),
    ] = None,
    data: Annotated[
        str | None,
        typer.Option(
            metavar="FILE",
            help="The study's file: compare on its validation part, and calibrate on its training part. By"
            " default samples are made up.",
        ),
    ] = None,
    ops: OpsOption = None,
    changed_ops: ChangedOpsOption = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Write a trained network for other runtimes, with its preprocessing, and compare it with PyTorch.

    The file takes what your users have, such as the bytes of pictures, in batches of any size. It is written
    only if it agrees with PyTorch to 1e-4; both latencies are printed.

    [dim]Examples:[/]

      optnas export runs/digits-17 --format onnx

      optnas export runs/digits-17 --format torch-export -o digits.pt2

      optnas export runs/digits-17 --format python -o digits

      optnas export runs/digits-17 --quantize int8 --data studies/digits.py
    """
    import json

    from optnas.export.command import export_command, lines, metrics_table

    done = export_command(run, name, to, quantize=quantize, data=data, ops=ops or (), changed_ops=changed_ops)
    if as_json:
        write(f"{json.dumps(done.as_record(), indent=2)}\n")
        return
    for line in lines(done):
        sentence(out, line)
    if done.int8 is not None:
        out.print(metrics_table(done.int8))
