"""YAML into typed dataclasses; every unknown, missing or mistyped key is named."""

from __future__ import annotations

import dataclasses
import math
import re
import types
import typing
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import yaml

from utils.errors import InputError, shown
from utils.files import read_text

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

Config = TypeVar("Config", bound="DataclassInstance")


MOST_VALUES, DEEPEST = 10_000, 20
"""Of a config once every alias is written out: a few hundred bytes of aliases within aliases mean billions."""


WHOLE = re.compile(r"[-+]?(0|[1-9][0-9_]*|0x[0-9a-fA-F_]+)$")
"""How whole numbers are written."""


class _Loader(yaml.SafeLoader):
    """YAML without dates, which no config has: 2001-13-45 is a word. So are 017, which YAML 1.1 takes for 15, and 1:30.

    A key that comes twice in a group is an error, not the last one's.
    """

    yaml_implicit_resolvers = {
        letter: [
            (tag, WHOLE if tag.endswith(":int") else pattern)
            for tag, pattern in resolvers
            if not tag.endswith(":timestamp")
        ]
        for letter, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys = [key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode)]
        twice = next((key for key in keys if keys.count(key) > 1), None)
        if twice is not None:
            raise yaml.constructor.ConstructorError(None, None, f"key {twice!r} comes twice", node.start_mark)
        return super().construct_mapping(node, deep)


def _load(text: str, where: str) -> Any:
    """YAML as a tree of plain values.

    Raises:
        InputError: it is not YAML, holds itself or far too many values, or a number that Python does not read.
    """
    try:
        # _Loader is a SafeLoader: it builds plain values only.
        return _tree(yaml.load(text, _Loader), where)  # noqa: S506
    except yaml.YAMLError as error:
        raise InputError(f"{where}: cannot be read as YAML ({error})") from error
    except InputError:
        raise
    except Exception as error:  # tags such as !!int and !!timestamp raise anything on words that are none
        reason = (
            "lists within lists without end" if isinstance(error, RecursionError) else "a value that its tag denies"
        )
        raise InputError(f"{where}: cannot be read as YAML ({reason})") from error


def _tree(values: Any, where: str) -> Any:
    """A copy in which no part comes twice."""
    left = MOST_VALUES

    def copy(value: Any, depth: int) -> Any:
        nonlocal left
        left -= 1
        if left < 0 or depth > DEEPEST:
            raise InputError(f"{where}: more than {MOST_VALUES} values or {DEEPEST} levels, expected a config")
        if isinstance(value, dict):
            return {key: copy(item, depth + 1) for key, item in value.items()}
        return [copy(item, depth + 1) for item in value] if isinstance(value, list) else value

    return copy(values, 0)


def read_yaml(path: Path | str) -> dict[str, Any]:
    """Read a YAML file that holds a mapping.

    Raises:
        InputError: missing, not YAML, not a mapping, or larger than a config can be.
    """
    loaded = _load(read_text(path, "a YAML config"), str(path))
    if not isinstance(loaded, dict):
        raise InputError(f"{path}: holds {type(loaded).__name__}, expected a mapping of keys")
    return loaded


def override(values: dict[str, Any], assignments: Sequence[str]) -> dict[str, Any]:
    """A copy of a nested mapping with `a.b=value` assignments applied; values are read as YAML.

    Raises:
        InputError: an assignment without '=', or a path through something that is not a mapping.
    """
    values = _tree(values, "config")
    for assignment in assignments:
        path, separator, text = assignment.partition("=")
        if not separator:
            raise InputError(f"--set {assignment}: expected key=value")
        *folders, leaf = path.strip().split(".")
        place = values
        for folder in folders:
            place = place.setdefault(folder, {})
            if not isinstance(place, dict):
                raise InputError(f"--set {assignment}: {folder} is a value, expected a group of keys")
        place[leaf] = _yaml_value(text, f"--set {assignment}")
    return values


def _yaml_value(text: str, where: str) -> Any:
    value = _load(text, where)
    if isinstance(value, str):
        # YAML 1.1 reads 1e-4 as a word.
        try:
            return float(value)
        except ValueError:
            return value
    return value


def build_config(cls: type[Config], values: Mapping[str, Any], where: str) -> Config:
    """A dataclass from a mapping, field by field and recursively.

    Args:
        where: the file or the checkpoint, for error messages.

    Raises:
        InputError: an unknown key, a missing key, a value of another type, or one that the dataclass refuses.
    """
    if not isinstance(values, Mapping):
        raise InputError(f"{where}: {shown(values)}, expected a group of keys")
    hints = typing.get_type_hints(cls)
    fields = {field.name: field for field in dataclasses.fields(cls)}
    for key in values:
        if key not in fields:
            raise InputError(f"{where}: unknown key {shown(key)}, expected one of {', '.join(fields)}")
    arguments = {}
    for name, field in fields.items():
        if name in values:
            arguments[name] = _convert(hints[name], values[name], f"{where}: {name}")
        elif field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING:
            raise InputError(f"{where}: key '{name}' is missing")
    try:
        return cls(**arguments)
    except ValueError as error:
        raise InputError(f"{where}: {error}") from error


def _convert(kind: Any, value: Any, where: str) -> Any:
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if isinstance(kind, type) and dataclasses.is_dataclass(kind):
        return build_config(kind, value, where)
    if origin in (types.UnionType, typing.Union):
        if value is None and type(None) in arguments:
            return None
        return _convert(next(a for a in arguments if a is not type(None)), value, where)
    if origin is tuple:
        if not isinstance(value, (list, tuple)):
            raise InputError(f"{where} is {shown(value)}, expected a list")
        return tuple(_convert(arguments[0], item, where) for item in value)
    if origin is typing.Literal:
        if value not in arguments:
            raise InputError(f"{where} is {shown(value)}, expected one of {', '.join(map(repr, arguments))}")
        return value
    if kind is float and isinstance(value, str):
        # YAML 1.1 reads 1e-4 as a word.
        try:
            return float(value)
        except ValueError:
            raise InputError(f"{where} is {shown(value)}, expected a number") from None
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value) if abs(value) < 1 << 64 else math.inf if value > 0 else -math.inf
    if not isinstance(value, kind) or (kind in (int, float) and isinstance(value, bool)):
        raise InputError(f"{where} is {shown(value)}, expected {kind.__name__}")
    return value


def to_dict(config: Any) -> Any:
    """A dataclass as plain mappings, lists and values, as a YAML file or a checkpoint holds it."""
    if dataclasses.is_dataclass(config):
        return {field.name: to_dict(getattr(config, field.name)) for field in dataclasses.fields(config)}
    return [to_dict(item) for item in config] if isinstance(config, (list, tuple)) else config
