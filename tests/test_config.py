"""YAML into dataclasses: what is accepted, and that everything else is named."""

from dataclasses import dataclass, field
from itertools import pairwise
from typing import Literal

import pytest

from utils.config import build_config, override, read_yaml, to_dict
from utils.errors import InputError


@dataclass(frozen=True)
class Optim:
    lr: float
    kind: Literal["adam", "sgd"] = "adam"


@dataclass(frozen=True)
class Run:
    name: str
    widths: tuple[int, ...]
    optim: Optim
    limit: float | None = None
    flags: tuple[bool, ...] = field(default=())


GOOD = {"name": "a", "widths": [1, 2], "optim": {"lr": 1}}


def test_a_config_survives_the_round_trip():
    config = build_config(Run, GOOD, "x.yaml")
    assert config == Run("a", (1, 2), Optim(1.0))
    assert isinstance(config.optim.lr, float)
    assert build_config(Run, to_dict(config), "x.yaml") == config


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"widht": 1}, "unknown key 'widht', expected one of name, widths"),
        ({"widths": 3}, "widths is 3, expected a list"),
        ({"widths": ["a"]}, "widths is 'a', expected int"),
        ({"optim": {"lr": "fast"}}, "optim: lr is 'fast', expected a number"),
        ({"optim": {"lr": True}}, "optim: lr is True, expected float"),
        ({"optim": {"lr": 1, "kind": "lion"}}, "kind is 'lion', expected one of 'adam', 'sgd'"),
        ({"optim": 3}, "optim: 3, expected a group of keys"),
        ({"name": None}, "name is None, expected str"),
    ],
)
def test_what_is_wrong_is_named(change, message):
    with pytest.raises(InputError, match="x.yaml") as caught:
        build_config(Run, {**GOOD, **change}, "x.yaml")
    assert message in str(caught.value)


def test_a_missing_key_is_named():
    with pytest.raises(InputError, match="key 'optim' is missing"):
        build_config(Run, {"name": "a", "widths": []}, "x.yaml")


def test_assignments_reach_into_groups_and_leave_the_original_alone():
    changed = override(GOOD, ["optim.lr=1e-4", "widths=[4, 5]", "limit=2"])
    assert build_config(Run, changed, "x") == Run("a", (4, 5), Optim(1e-4), 2.0)
    assert GOOD["optim"] == {"lr": 1}


@pytest.mark.parametrize("assignment", ["lr", "name.first=3", "widths=[1"])
def test_assignments_that_make_no_sense_are_named(assignment):
    with pytest.raises(InputError, match="--set"):
        override(GOOD, [assignment])


@pytest.mark.parametrize("text", ["a: [", "- 1", "just words"])
def test_files_that_are_no_config_are_named(tmp_path, text):
    (tmp_path / "bad.yaml").write_text(text)
    with pytest.raises(InputError, match="bad.yaml"):
        read_yaml(tmp_path / "bad.yaml")


def test_a_missing_config_is_named(tmp_path):
    with pytest.raises(InputError, match="none.yaml: no such file"):
        read_yaml(tmp_path / "none.yaml")


ALIASES = "a: &a [1, 2, 3, 4, 5, 6, 7, 8, 9]\n" + "".join(
    f"{b}: &{b} [{', '.join(['*' + a] * 9)}]\n" for a, b in pairwise("abcdefghi")
)


@pytest.mark.parametrize(
    ("text", "what"),
    [
        (ALIASES, "more than 10000 values"),
        ("a: &a [*a]", "more than 10000 values or 20 levels"),
        ("a: " + "[" * 3000, "lists within lists without end"),
        (f"a: {'9' * 5000}", "a value that its tag denies"),
        ("a: 1\nb: {c: 1, d: 2, c: 3}", "key 'c' comes twice"),
        ("a: !!timestamp soon", "a value that its tag denies"),
        ("a: !!python/object/apply:os.system [ls]", "could not determine a constructor"),
    ],
)
def test_yaml_beyond_all_bounds_is_named(tmp_path, text, what):
    (tmp_path / "bomb.yaml").write_text(text)
    with pytest.raises(InputError, match=f"bomb.yaml: .*{what}"):
        read_yaml(tmp_path / "bomb.yaml")


@pytest.mark.parametrize("text", ["017", "1:30", "0b11"])
def test_numbers_that_are_read_in_two_ways_are_words(tmp_path, text):
    (tmp_path / "a.yaml").write_text(f"a: {text}\nb: 0x10\nc: -1_000\n")
    assert read_yaml(tmp_path / "a.yaml") == {"a": text, "b": 16, "c": -1000}


def test_dates_are_words_and_long_values_are_cut():
    changed = override(GOOD, ["optim.lr=2001-13-45"])
    with pytest.raises(InputError, match="lr is '2001-13-45', expected a number"):
        build_config(Run, changed, "x.yaml")
    with pytest.raises(InputError, match="--set optim.lr=999.*a value that its tag denies"):
        override(GOOD, [f"optim.lr={'9' * 5000}"])
    with pytest.raises(InputError, match="widths is '9999.*9999', expected a list") as caught:
        build_config(Run, {**GOOD, "widths": "9" * 100_000}, "x.yaml")
    assert len(str(caught.value)) < 200
    assert build_config(Run, {**GOOD, "limit": 10**400}, "x.yaml").limit == float("inf")
