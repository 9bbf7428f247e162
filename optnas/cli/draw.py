"""The command that draws: draw."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from optnas.cli.app import app, err

__all__: list[str] = []


@app.command()
def draw(
    what: Annotated[
        str,
        typer.Argument(
            help="A study file, whose search space is drawn; an architecture or a space as text; or an"
            " activation, which is plotted."
        ),
    ],
    out: Annotated[Path, typer.Option("--out", "-o", help="The SVG file to write.")] = Path("drawing.svg"),
    shape: Annotated[
        list[str] | None,
        typer.Option(
            help="An input's sizes without the batch, such as 3x32x32, for the costs. Of several inputs give"
            " each by name: --shape user=1 --shape picture=3x32x32."
        ),
    ] = None,
    outputs: Annotated[int | None, typer.Option(help="The number of outputs of a head.", min=1)] = None,
    expand: Annotated[bool, typer.Option("--expand", help="Open blocks and write repetitions out.")] = False,
) -> None:
    """Draw a search space, an architecture or an activation as SVG.

    [dim]Examples:[/]

      optnas draw studies/digits.py -o space.svg

      optnas draw "seq(conv(16), norm, mish, head)" --shape 1x8x8 --outputs 10

      optnas draw "mul(x, sigmoid(scale(x, 1.2)))" -o curve.svg
    """
    from optnas.run.drawing import drawing_of

    drawing_of(what, shape=shape or (), outputs=outputs, expand=expand).save(out)
    err.print(f"Wrote {out}")
