"""What code depends on is found however it is reached; what every process has another of is left out."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from optnas.space.source import digest_of

G = "def g(x): return x * {}"
PACKAGE = {"pk/__init__.py": "", "pk/h.py": G}
SLOTTED = """
class C:
    __slots__ = {slots}
    def __init__(self, k): self.{name} = k
    def __call__(self, x): return x * self.{name}
c = C({{}})
def f(x): return c(x)
"""

# What f computes in each depends on the value at {}; other files are named beside it.
REACHED: dict[str, tuple[str, dict[str, str]]] = {
    "module of a package": ("import pk.h\ndef f(x): return pk.h.g(x)", PACKAGE),
    "module three levels deep": (
        "import a.b.c\ndef f(x): return a.b.c.g(x)",
        {"a/__init__.py": "", "a/b/__init__.py": "", "a/b/c.py": G},
    ),
    "import in the body": ("def f(x):\n    import h\n    return h.g(x)", {"h.py": G}),
    "from import in the body": ("def f(x):\n    from h import g\n    return g(x)", {"h.py": G}),
    "import of a package's module in the body": (
        "def f(x):\n    import pk.h\n    return pk.h.g(x)",
        PACKAGE,
    ),
    "from import of a module in the body": ("def f(x):\n    from pk import h\n    return h.g(x)", PACKAGE),
    "relative import in the body": (
        "from pk.q import g as f",
        {**PACKAGE, "pk/q.py": "def g(x):\n    from . import h\n    return h.g(x)"},
    ),
    "import of an import in the body": (
        "def f(x):\n    from m import g\n    return g(x)",
        {"m.py": "from h import g", "h.py": G},
    ),
    "import in an inner function": (
        "def f(x):\n    def inner():\n        import h\n        return h.g(x)\n    return inner()",
        {"h.py": G},
    ),
    "import_module": (
        "import importlib\ndef f(x): return importlib.import_module('h').g(x)",
        {"h.py": G},
    ),
    "module in a closure": (
        "def make():\n    import h\n    def f(x): return h.g(x)\n    return f\nf = make()",
        {"h.py": G},
    ),
    "module in a container": ("import h\nT = {{'h': h}}\ndef f(x): return T['h'].g(x)", {"h.py": G}),
    "module as an argument": (
        "import h\ndef call(m, x): return m.g(x)\ndef f(x): return call(h, x)",
        {"h.py": G},
    ),
    "attribute made by a module's __getattr__": (
        "import h\ndef f(x): return h.g(x)",
        {"h.py": "def __getattr__(name): return lambda x: x * {}"},
    ),
    "getattr": ("import h\ndef f(x): return getattr(h, 'g')(x)", {"h.py": G}),
    "attrgetter": ("import h, operator\ndef f(x): return operator.attrgetter('g')(h)(x)", {"h.py": G}),
    "globals()": ("K = {}\ndef f(x): return x * globals()['K']", {}),
    "eval": ("K = {}\ndef f(x): return eval('x * K')", {}),
    "attribute of a function": ("def g(): pass\ng.k = {}\ndef f(x): return x * g.k", {}),
    "cached_property": (
        "import functools\nclass f:\n    @functools.cached_property\n    def k(self): return {}",
        {},
    ),
    "partialmethod": (
        "import functools\nclass f:\n    def g(self, k): return k\n    h = functools.partialmethod(g, k={})",
        {},
    ),
    "singledispatch": (
        "import functools\n@functools.singledispatch\ndef g(x): return x\n"
        "@g.register(int)\ndef _(x): return x * {}\ndef f(x): return g(x)",
        {},
    ),
    "metaclass": (
        "class M(type):\n    def g(cls, x): return x * {}\n"
        "class C(metaclass=M): pass\ndef f(x): return C.g(x)",
        {},
    ),
    "builtin as a special method": (
        "import operator\nclass C:\n    __call__ = [operator.neg, operator.abs][{} - 2]\n"
        "c = C()\ndef f(x): return c(x)",
        {},
    ),
    "slots": (SLOTTED.format(slots="('k',)", name="k"), {}),
    "one slot with a private name": (SLOTTED.format(slots="'__k'", name="__k"), {}),
    "slots of a dataclass": (
        "from dataclasses import dataclass\n@dataclass(slots=True)\nclass C:\n    k: int\n"
        "c = C({})\ndef f(x): return x * c.k",
        {},
    ),
    "method of a list of one's own": (
        "class T(list):\n    def g(self, x): return x * {}\nt = T()\ndef f(x): return t.g(x)",
        {},
    ),
    "method of a float of one's own": (
        "class T(float):\n    def g(self, x): return x * {}\nt = T(1)\ndef f(x): return t.g(x)",
        {},
    ),
    "__missing__ of a dict of one's own": (
        "class T(dict):\n    def __missing__(self, key): return {}\nt = T()\ndef f(x): return x * t[0]",
        {},
    ),
    "factory of a defaultdict": (
        "import collections\nT = collections.defaultdict(lambda: {})\ndef f(x): return x * T[0]",
        {},
    ),
    "bound method of a dict": ("T = dict(a={}).get\ndef f(x): return x * T('a')", {}),
    "setting of a layer": (
        "from torch import nn\nL = nn.Sequential(nn.LeakyReLU(0.{}))\ndef f(x): return L(x)",
        {},
    ),
    "scripted function": (
        "import torch\n@torch.jit.script\ndef g(x):\n    return x * {}\ndef f(x): return g(x)",
        {},
    ),
    "large array": ("import numpy\nW = numpy.full((300, 300), {}.0)\ndef f(x): return x * W", {}),
    "large tensor": (
        "import torch\nW = torch.full((300, 300), {}, dtype=torch.bfloat16).T\ndef f(x): return x * W",
        {},
    ),
    **{
        made: (f"import {made.split('.')[0]}\nK = {made}\ndef f(x): return K", {})
        for made in (
            "fractions.Fraction({}, 7)",
            "decimal.Decimal({})",
            "types.SimpleNamespace(a={})",
            "array.array('d', [{}])",
            "collections.deque([{}])",
            "datetime.timedelta({})",
            "operator.methodcaller('mul', {})",
            "re.compile('a{}')",
            "numpy.poly1d([{}, 1])",
            "numpy.vectorize(lambda a: a * {})",
            "torch.distributions.Normal(0.0, {}.0)",
            "signal.Signals({})",
        )
    },
}


@pytest.fixture
def folders(tmp_path: Path) -> Iterator[Path]:
    path, before = list(sys.path), set(sys.modules)
    yield tmp_path
    sys.path[:] = path
    forget(before)


def forget(before: set[str]) -> None:
    for name in set(sys.modules) - before:
        if str(getattr(sys.modules[name], "__file__", "")).find("/of_dependencies") >= 0:
            del sys.modules[name]


def digest(folder: Path, text: str, files: dict[str, str], value: int, *, first: str | None = None) -> str:
    """Return the digest of ``f``, after importing ``first``, of files in which {} is ``value``."""
    folder = folder / f"of_dependencies_{value}_{first}"
    for name, each in {"own_of_dependencies.py": text, **files}.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(each.format(value))
    before = set(sys.modules)
    sys.path.insert(0, str(folder))
    try:
        importlib.invalidate_caches()
        if first is not None:
            importlib.import_module(first)
        return digest_of(importlib.import_module("own_of_dependencies").f)
    finally:
        sys.path.remove(str(folder))
        forget(before)


@pytest.mark.parametrize("reached", REACHED)
def test_a_value_counts_however_it_is_reached(reached: str, folders: Path) -> None:
    text, files = REACHED[reached]
    two, three = (digest(folders, text, files, value) for value in (2, 3))
    assert two != three
    assert digest(folders / "elsewhere", text, files, 2) == two


def test_an_import_in_the_body_runs_nothing_and_is_the_same_after_it_ran(folders: Path) -> None:
    text = "def f(x):\n    from h import g\n    return g(x)"
    ran = folders / "ran"
    files = {"h.py": f"import pathlib\npathlib.Path({str(ran)!r}).touch()\n{G}"}
    before = digest(folders, text, files, 2)
    assert not ran.exists()
    assert digest(folders, text, files, 2, first="h") == before
    assert ran.exists()


@pytest.mark.parametrize(
    "text",
    [
        "import random\nR = random.Random()\ndef f(x): return R.random()",
        "import numpy\nR = numpy.random.default_rng()\ndef f(x): return R.random()",
        "import torch\nR = torch.Generator()\nR.seed()\ndef f(x): return torch.rand(1, generator=R)",
        "import logging\nL = logging.getLogger(__file__)\ndef f(x): L.info(x)",
        "import pathlib\nP = pathlib.Path(__file__)\ndef f(x): print(P)",
        "import os\nfrom os import environ\nenviron['OF_DEPENDENCIES'] = __file__\ndef f(x): print(environ)",
        "import torch\nL = torch.nn.Linear(3, 3)\ndef f(x): return L(x)",
        "import math\ndef f(x):\n    import torch.nn.functional as F, nowhere\n    return F.relu(x)",
    ],
)
def test_what_every_process_has_another_of_does_not_count(
    text: str, folders: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OF_DEPENDENCIES", "")
    assert digest(folders, text, {}, 2) == digest(folders, text, {}, 3)


def test_comments_of_a_module_imported_in_the_body_do_not_count(folders: Path) -> None:
    text = "def f(x):\n    import h\n    return h.g(x)"
    files = {"h.py": "# comment {}\ndef g(x):\n    '''Text.'''\n    return  x"}
    assert digest(folders, text, files, 2) == digest(folders, text, files, 3)


def test_modules_that_import_each_other_end(folders: Path) -> None:
    files = {"a.py": "import b\n", "b.py": f"import a\n{G}"}
    for text in (
        "import a\ndef f(x): return a.b.a.b.g(x)",
        "def f(x):\n    import a\n    return a.b.g(x)",
    ):
        assert digest(folders, text, files, 2) != digest(folders, text, files, 3)
