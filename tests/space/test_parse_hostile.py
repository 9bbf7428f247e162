"""Texts that are no trees, some of them written to do harm: each is an error, and none does anything."""

from __future__ import annotations

import builtins
import time
import warnings
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from optnas import parse
from optnas.space import Node, SpaceError


def read(text: str) -> Node | None:
    """Parse ``text``, which must give a node or a one-line SpaceError, in reasonable time."""
    started = time.perf_counter()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Python warns of some texts, such as 1if 2else 3
        try:
            tree = parse(text)
        except SpaceError as error:
            assert "\n" not in str(error)  # noqa: PT017
            tree = None
        else:
            assert isinstance(tree, Node)
            assert parse(str(tree)) == tree
    assert time.perf_counter() - started < 10
    return tree


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (f"seq({', '.join(['relu'] * 100_000)})", "the tree has more than 10,000 ops"),
        (" / ".join(["relu"] * 100_000), "the list has 100,000 layers; 10,000 are the most"),
        ("conv3x3-" + "9" * 18, "999999999… is too large"),
        ("conv3x" + "9" * 18, "999999999… is too large"),
    ],
    ids=["children", "layers", "width", "window"],
)
def test_what_no_network_can_be_is_refused_before_it_is_made(text: str, said: str) -> None:
    with pytest.raises(SpaceError, match=said):
        parse(text)


HOSTILE = [
    "__import__('os').system('true')",
    "().__class__.__bases__[0].__subclasses__()",
    "relu.__class__",
    "ops.__class__",
    "ops.__dict__['relu']",
    "ops.op(print)",
    "ops.relu.__call__()",
    "optnas.ops.relu()",
    "seq.__globals__",
    "conv(16).build((1, 8, 8))",
    "conv(exec('1'))",
    "conv(open('/etc/passwd'))",
    "print",
    "parse('relu')",
    "lambda: relu",
    "(lambda: relu)()",
    "[relu for _ in (1,)]",
    "seq(*(relu for _ in range(10**9)))",
    "{relu: 1 for _ in (1,)}",
    "f'{relu}'",
    "conv(f'{16}')",
    "(x := relu)",
    "seq((x := relu))",
    "await relu",
    "yield relu",
    "relu if True else tanh",
    "relu or tanh",
    "not relu",
    "seq(relu)[0]",
    "seq[relu]",
    "seq[1:2]",
    "conv(1, **{'kernel': 3})",
    "conv(1, **choose(1, 2))",
    "seq(**seq)",
    "{'a': 1}",
    "{1, 2}",
    "...",
    "b'conv'",
    "conv(1j)",
    "conv(b'1')",
    "conv(...)",
    "conv(~1)",
    "conv(not 1)",
    "conv(--1)",
    "conv(-True)",
    "conv(-'1')",
    "conv(2**10**10)",
    "conv(1e999)",
    "conv(-1e999)",
    "swish(beta=1" + "0" * 400 + ")",
    "conv(real(1" + "0" * 400 + ", 2))",
    "conv(integer(1, 1" + "0" * 400 + ", log=True))",
    "conv(1" + "0" * 100_000 + ")",
    "conv(0x" + "f" * 100_000 + ")",
    "conv(integer(0x" + "f" * 5_000 + ", 0))",
    "seq(repeat(relu, 0, 0x" + "f" * 5_000 + "))",
    "conv(16, name=5)",
    "conv(16, name=choose(1, 2))",
    "conv(16, name=('a',))",
    "choose(1, 2, name=relu)",
    "conv(choose(1, 2, name=(1,)))",
    "conv(integer(1, 2, log=relu, step=tanh))",
    "conv(real(relu, 2))",
    "seq(repeat(relu, choose(1, 2)))",
    "shared(relu)",
    "conv(shared)",
    "shared(shared(choose(1, 2, name='a')))",
    "relu; tanh",
    "import os",
    "x = relu",
    "relu\0",
    "\0",
    "\ud800",
    "'\\d' 'x'",
    "seq(\r\x0crelu\r\n, 'é', {)",
    "1if 2else 3",
    "-" * 100_000 + "1",
    "~" * 100_000 + "1",
    "not " * 50_000 + "1",
    "(" * 100_000,
    "[" * 150 + "]" * 150,
    "seq(" * 90 + ")" * 90,
    "seq(" * 100_000 + ")" * 100_000,
    "choose(1, " * 80 + "2" + ")" * 80,
    "relu" + ".relu" * 100_000,
    "relu" + "()" * 100_000,
    "1" + "+1" * 100_000,
    "conv(" + "9" * 4000 + ")",
    "a" * 900_000,
    "seq(" + "relu," * 1_000_000 + ")",
]


@pytest.mark.parametrize("text", HOSTILE, ids=lambda text: text[:30].encode("unicode_escape").decode())
def test_a_hostile_text_is_refused(text: str) -> None:
    assert read(text) is None or text.startswith("shared(shared")


@pytest.mark.parametrize(
    "text",
    [
        "witness()",
        "witness",
        "conv(witness())",
        "conv(16, kernel=witness())",
        "conv(16, name=witness())",
        "seq(*witness())",
        "seq(**witness())",
        "choose(1, witness())",
        "(lambda: witness())()",
        "[witness() for _ in (1,)]",
        "f'{witness()}'",
        "conv(f'{witness()}')",
        "(x := witness())",
        "witness() or relu",
        "seq(relu if witness() else tanh)",
        "witness.__call__()",
        "ops.witness()",
        "seq(relu)[witness()]",
        "seq(relu, -witness())",
    ],
)
def test_nothing_is_executed(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[Any] = []
    monkeypatch.setattr(builtins, "witness", lambda *args: calls.append(args), raising=False)
    with pytest.raises(SpaceError):
        parse(text)
    assert not calls


_WORDS = [
    *("seq", "conv", "relu", "swish", "head", "ops", "choose", "integer", "real", "repeat", "shared", "_"),
    *("name=", "width=", "kernel=", "low=", "log=", "(", ")", "(", ")", "[", "]", "{", "}", ",", ",", "."),
    *("=", "==", ":=", ":", "*", "**", "+", "-", "~", "not", "if", "else", "for", "in", "lambda", "await"),
    *("yield", "f''", "'a'", '"b"', "'name'", "0", "1", "2", "-1", "1.5", "1e400", "0x10", "1j", "...", ";"),
    *("None", "True", "False", "__class__", "__import__", "#", "\\", "\n", "\t", "@"),
]


@settings(max_examples=300)
@given(st.text(max_size=60))
@example("shared(choose(1,2,name='a'))")
def test_any_text_gives_a_node_or_an_error(text: str) -> None:
    read(text)


@settings(max_examples=800)
@given(st.lists(st.sampled_from(_WORDS), max_size=15), st.sampled_from(["", " "]))
def test_any_soup_of_words_gives_a_node_or_an_error(words: list[str], between: str) -> None:
    read(between.join(words))
    read(f"seq(conv({between.join(words)}))")


_values = st.recursive(
    st.sampled_from(
        ["0", "1", "-1", "8", "2.5", "1e400", "True", "None", "'a'", "''", "relu", "conv", "integer"]
    ),
    lambda inner: st.builds(
        lambda function, args, named: f"{function}({', '.join([*args, *named])})",
        st.sampled_from(["seq", "conv", "residual", "choose", "integer", "real", "repeat", "shared", ""]),
        st.lists(inner, max_size=4),
        st.lists(
            st.builds(
                "{}={}".format, st.sampled_from(["name", "step", "log", "kernel", "beta", "low"]), inner
            ),
            max_size=2,
        ),
    ),
    max_leaves=8,
)


@settings(max_examples=500)
@given(_values)
def test_any_call_with_any_arguments_gives_a_node_or_an_error(text: str) -> None:
    read(text)
    read(f"seq({text})")
