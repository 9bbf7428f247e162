"""Running the Python files of users: those that declare studies, and those that define ops of their own."""

from __future__ import annotations

import argparse
import ast
import contextlib
import importlib
import os
import sys
import traceback
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

from optnas.errors import UserError, searched
from optnas.space import SpaceError
from optnas.study import Study

__all__ = ["define_ops", "is_loading", "load_study", "output_to_stderr", "runs_when_loaded", "source_of"]

_loading: list[Path] = []


def load_study(reference: str) -> Study:
    """Run a Python file and return the study that it declares.

    Args:
        reference: The file's path, perhaps with ``:`` and the study's variable, by default ``study``.

    Raises:
        UserError: If there is no such file or variable, or the file does not run.
    """
    path, variable = _split(reference)
    if not path.is_file():
        raise UserError(f"no such file: {path}" + ("" if path.suffix else " (a study file ends in .py)"))
    namespace = _run(path)
    found = namespace.get(variable)
    if not isinstance(found, Study):
        others = [name for name, value in namespace.items() if isinstance(value, Study)]
        has = " and ".join(f"{path}:{other}" for other in others)
        hint = f"; it has {has}" if others else f": write {variable} = Study(…) in it"
        what = f"no study called {variable!r}" if found is None else f"a {type(found).__name__}, not a Study"
        raise UserError(f"{path}: {what}{hint}")
    return found


def define_ops(references: Iterable[str]) -> None:
    """Import what defines ops of one's own; what it prints goes to standard error.

    Args:
        references: Python files, such as study files, or the names of modules, as ``import`` takes them;
            these are found in the working folder, too.

    Raises:
        UserError: If there is no such file or module, or it does not run.
    """
    with output_to_stderr():
        for reference in references:
            path = _split(reference)[0]
            if path.is_file():
                _run(path)
            elif path.suffix == ".py" or not all(part.isidentifier() for part in reference.split(".")):
                raise UserError(f"--ops {reference}: no such file{searched(path)}")
            else:
                _import(reference)


def _import(name: str) -> None:
    """Import a module, also from the working folder.

    Raises:
        UserError: If there is none, or it does not run.
    """
    if not {"", os.getcwd()} & set(sys.path):
        sys.path.append(os.getcwd())  # last, so that nothing in it stands for an installed module
    try:
        importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{name}.".startswith(f"{error.name}."):
            raise UserError(f"--ops {name}: {error}") from error
        raise UserError(
            f"--ops {name}: no such module, nor a file of that name: give the path of a Python file, or a"
            f" module that is installed or in the folder {Path.cwd()}"
        ) from None
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        message = str(error).strip().split("\n")[0]
        raise UserError(f"--ops {name}: {type(error).__name__}: {message}".rstrip(": ")) from error


def is_loading() -> bool:
    """Return whether the file of a study or of ops is being run at the moment."""
    return bool(_loading)


def source_of(study: Study) -> str | None:
    """Return where a study is declared, as :func:`load_study` takes it; ``None`` if that is no file."""
    for module in list(sys.modules.values()):
        file = getattr(module, "__file__", None)
        if isinstance(module, ModuleType) and file and file.endswith(".py"):
            for name, value in list(vars(module).items()):
                if value is study:
                    return f"{file}:{name}"
    return None


def runs_when_loaded(reference: str) -> bool:
    """Return whether what is being called at the moment is called wherever a study file is loaded.

    That is so if a line of the file itself led here which is not under ``if __name__ == "__main__":``.
    """
    path = _split(reference)[0]
    lines = [
        line
        for frame, line in traceback.walk_stack(None)
        if frame.f_code.co_name == "<module>" and frame.f_code.co_filename == str(path)
    ]
    return bool(lines) and not any(
        isinstance(part, ast.If)
        and "__name__" in ast.unparse(part.test)
        and part.lineno <= lines[-1] <= (part.end_lineno or part.lineno)
        for part in ast.parse(path.read_bytes()).body
    )


def _split(reference: str) -> tuple[Path, str]:
    path, colon, variable = reference.rpartition(":")
    if colon and variable.isidentifier() and not Path(reference).exists():
        return Path(path), variable
    return Path(reference), "study"


def _run(path: Path) -> dict[str, object]:
    _loading.append(path)
    try:
        return _namespace(path)
    finally:
        _loading.pop()


def _namespace(path: Path) -> dict[str, object]:
    module = ModuleType(f"optnas_study_{path.stem}")
    module.__file__ = str(path)
    # So that the file's own classes are found by their module, and modules beside it can be imported.
    sys.modules[module.__name__] = module
    folder = str(path.resolve().parent)
    if folder not in sys.path:
        sys.path.insert(0, folder)
    # For good: the file's functions may read it as they run.
    sys.argv = [str(path)]
    try:
        source = path.read_bytes()
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}") from None
    try:
        # Compiled from source every time: Python's cache would miss an edit within the same second.
        exec(compile(source, str(path), "exec"), vars(module))
    except SyntaxError as error:
        line = (error.text or "").strip()
        where = f"{error.filename or path}:{error.lineno or 1}"
        raise UserError(f"{where}: {error.msg}" + (f": {line}" if line else "")) from None
    except (UserError, SpaceError) as error:
        raise UserError(f"{_place(path, error)}: {error}") from None
    except KeyboardInterrupt:
        raise
    except SystemExit as error:
        raise UserError(
            f"{_place(path, error)}: {_how_ended(error)} before the study was read; a study file gets no"
            ' arguments, and what is to run by python alone stands under if __name__ == "__main__"'
        ) from error
    except BaseException as error:
        message = str(error).strip().split("\n")[0]
        raise UserError(f"{_place(path, error)}: {type(error).__name__}: {message}".rstrip(": ")) from error
    return vars(module)


def _how_ended(error: SystemExit) -> str:
    """Return in words what ended the file: argparse with its message, or ``sys.exit`` and the like."""
    for frame, _ in traceback.walk_tb(error.__traceback__):
        if frame.f_code.co_filename == argparse.__file__ and "message" in frame.f_locals:
            said = " ".join(str(frame.f_locals["message"]).split())
            return f"argparse ended the file ({said})"
    code = "" if error.code is None else repr(error.code)
    return f"sys.exit({code}) ended the file"


@contextmanager
def output_to_stderr() -> Iterator[None]:
    """Send to standard error what is printed inside the context, by this process and those it starts."""
    sys.stdout.flush()
    kept = os.dup(1)
    os.dup2(2, 1)
    try:
        with contextlib.redirect_stdout(sys.stderr):
            yield
    finally:
        os.dup2(kept, 1)
        os.close(kept)


def _place(path: Path, error: BaseException) -> str:
    """Return an error's place in the file as ``file:line``, or the file alone if the line is unknown."""
    lines = [
        frame.lineno
        for frame in traceback.extract_tb(error.__traceback__)
        if Path(frame.filename).resolve() == path.resolve()
    ]
    return f"{path}:{lines[-1]}" if lines else str(path)
