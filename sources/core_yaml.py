"""YAML by the core schema of version 1.2, as editors read it: `on`, `yes` and `12:30` are words, not other values.

Reading is of nodes, which know their lines. Documents may be anybody's: there are no tags that make objects, no aliases
(a few lines of them can stand for gigabytes) and no deep nesting. Source: yaml.org/spec/1.2.2, chapter 10.3.
"""

from __future__ import annotations

import re
from typing import Any

import yaml
from yaml.composer import Composer
from yaml.cyaml import CParser  # type: ignore[attr-defined]
from yaml.resolver import BaseResolver

MAX_DEPTH = 20
_TAG = "tag:yaml.org,2002:"
_SCALARS = (
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("bool", r"true|True|TRUE|false|False|FALSE", list("tTfF")),
    ("int", r"[-+]?[0-9]+", list("-+0123456789")),
    ("float", r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?", list("-+.0123456789")),
)


class CoreYaml(Composer, CParser, BaseResolver):
    """Reads a text's documents as nodes, by `check_node` and `get_node`.

    The events are libyaml's; the composer is the one in Python, since libyaml's overflows the stack on deep nesting.
    """

    def __init__(self, text: str) -> None:
        CParser.__init__(self, text)
        Composer.__init__(self)
        BaseResolver.__init__(self)
        self._depth = 0

    def compose_node(self, parent: Any, index: Any) -> Any:
        """A node; aliases and deep nesting are refused as errors of YAML, with their line."""
        event: Any = self.peek_event()
        mark = event.start_mark
        if isinstance(event, yaml.AliasEvent):
            raise yaml.MarkedYAMLError(problem="an alias: write out what it stands for", problem_mark=mark)
        if self._depth == MAX_DEPTH:
            raise yaml.MarkedYAMLError(problem=f"nested more than {MAX_DEPTH} deep", problem_mark=mark)
        self._depth += 1
        try:
            return super().compose_node(parent, index)
        finally:
            self._depth -= 1


def scalar_value(node: yaml.ScalarNode) -> str | int | float | bool | None:
    """What a scalar says.

    Raises
    ------
    ValueError
        For a tag of another kind, and for what is not of its tag.
    """
    text: str = node.value
    match node.tag.removeprefix(_TAG):
        case "str":
            return text
        case "null":
            return None
        case "bool" if text.lower() in ("true", "false"):
            return text.lower() == "true"
        case "int":
            return int(text)
        case "float":
            return float(text)
    msg = f"expected text, a number, true or false, got the tag {node.tag.replace(_TAG, '!!')}"
    raise ValueError(msg)


# PyYAML's emitter takes these for ends of lines, as YAML 1.1 did, and would fold them outside of double quotes
_BREAKS = re.compile("[\r\x85\u2028\u2029]")


class _CoreDumper(yaml.SafeDumper):
    yaml_implicit_resolvers: dict[str, Any] = {}  # noqa: RUF012 - PyYAML's own declaration


def _text_node(dumper: yaml.SafeDumper, text: str) -> yaml.Node:
    style = '"' if _BREAKS.search(text) else "|" if "\n" in text else None
    return dumper.represent_scalar(f"{_TAG}str", text, style=style)


_CoreDumper.add_representer(str, _text_node)
for _name, _pattern, _first in _SCALARS:
    CoreYaml.add_implicit_resolver(f"{_TAG}{_name}", re.compile(rf"^(?:{_pattern})$"), _first)
    _CoreDumper.add_implicit_resolver(f"{_TAG}{_name}", re.compile(rf"^(?:{_pattern})$"), _first)


def written(document: Any) -> str:
    """The document as YAML, keys in their order."""
    return yaml.dump(document, Dumper=_CoreDumper, sort_keys=False, allow_unicode=True, width=110)


def inline(document: Any) -> str:
    """The document as YAML on one line."""
    text: str = yaml.dump(
        document, Dumper=_CoreDumper, sort_keys=False, allow_unicode=True, width=1 << 20, default_flow_style=True
    )
    return text.removesuffix("\n...\n").strip()
