"""The command line's application: its consoles, and errors as one line each."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any

import optuna
import typer
from rich.text import Text
from typer.core import TyperGroup

from optnas.errors import StorageError, UserError
from optnas.interrupts.commands import INTERRUPTED
from optnas.run.notes import warnings_as_notes
from optnas.shown import console, one_line, sentence

__all__ = ["CRASHED", "INTERRUPTED", "RUN_ERROR", "STORAGE_ERROR", "app", "err", "out", "say"]

# Whoever restarts a worker goes by them: the same again is of use after the last three only.
RUN_ERROR, USER_ERROR, STORAGE_ERROR, CRASHED = 1, 2, 3, 70

# Within a paragraph of a docstring, which is wrapped at the width of the terminal; not before an example.
_LINE_END = re.compile(r"(?<!\n)\n(?![\n ])")

# Of click, which some versions of typer bring along.
_UsageError: Any = typer.BadParameter.__base__

out = console()
err = console(stderr=True)


class _Commands(TyperGroup):
    """Commands whose errors are one line that says what to do."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        for command in (self, *self.commands.values()):
            command.help = _LINE_END.sub(" ", command.help or "")
            for param in command.params:
                _show_without_value(param)

    def make_context(self, *args: Any, **kwargs: Any) -> Any:
        try:
            return super().make_context(*args, **kwargs)
        except _UsageError as error:
            raise _shown(error) from None

    def invoke(self, ctx: Any) -> Any:
        from optnas.space.errors import SpaceError

        # Of a database that is busy it would show the statement.
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        try:
            with warnings_as_notes():
                return super().invoke(ctx)
        except _UsageError as error:
            raise _shown(error) from None
        except (UserError, SpaceError) as error:
            say(error)
            ctx.exit(USER_ERROR)
        except BrokenPipeError:  # what reads our output has seen enough
            sys.stderr.close()
            ctx.exit(0)
        except OSError as error:  # a folder that cannot be written, a full disk
            if error.filename is None:
                raise
            say(UserError(f"{error.filename}: {error.strerror}"))
            ctx.exit(USER_ERROR)

    def get_command(self, ctx: Any, name: str) -> Any:
        command = super().get_command(ctx, name)
        if command is not None:
            _show_without_value(command.get_help_option(ctx))
        return command

    def get_help_option(self, ctx: Any) -> Any:
        option = super().get_help_option(ctx)
        _show_without_value(option)
        return option

    def list_commands(self, ctx: Any) -> list[str]:
        return list(self.commands)  # in the order they are added, which is that of the work


def _show_without_value(param: Any) -> None:
    """Leave out of the help the type of a flag, which takes no value; some versions of typer show it."""
    if getattr(param, "is_flag", False) and param.metavar is None:
        param.metavar = ""


def _shown(error: Any) -> Any:
    error.message = one_line(error.message)
    return error


@contextmanager
def search_endings() -> Iterator[None]:
    """End a search that its storage or a signal ended with one line and its status."""
    try:
        yield
    except StorageError as error:
        say(error)
        raise typer.Exit(STORAGE_ERROR) from None
    except KeyboardInterrupt:
        out.print("Stopped. Run the same command to go on.")
        raise typer.Exit(INTERRUPTED) from None


def say(error: BaseException) -> None:
    """Print an error as one line."""
    sentence(err, Text.assemble(("error:", "bold red"), " ", one_line(str(error))))


app = typer.Typer(
    cls=_Commands,
    add_completion=False,
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        out.print(f"optnas {version('optnas')}")
        raise typer.Exit


@app.callback()
def optnas(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit."),
    ] = False,
) -> None:
    """Neural architecture search as an Optuna study.

    Write a study file (optnas init), search (optnas run), look at the trade-off (optnas pareto,
    optnas dashboard).
    """
