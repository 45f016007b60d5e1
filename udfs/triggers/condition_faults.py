"""What is wrong with a condition, in words for whoever wrote it: the library's own are for people who know CEL."""

from __future__ import annotations

import re
from collections.abc import Mapping

from udfs.triggers.condition_cost import FUNCTIONS
from udfs.triggers.vocabulary import Variable

_SYNTAX = re.compile(r"<input>:(\d+):(\d+): (?:Syntax error: )?([^\n]*)")
_OPERATION = re.compile(r"Unsupported operation: (\w+) (\S+) (\w+)")
_UNDEFINED = re.compile(r"Undefined variable or function: '(\w+)'")
_PATTERN = re.compile(r"Function 'matches' error: .*error: ([^\n]*?)\.? Check function", re.DOTALL)
_AROUND = 12
_CUT = 200
_TYPES = {str: "text", float: "a number", bool: "true or false", int: "a whole number"}
_NAMES = {"str": "text", "string": "text", "bool": "true or false", "float": "a number", "double": "a number"}
_INSTEAD = {
    "and": "&& instead of and",
    "or": "|| instead of or",
    "not": "! instead of not",
    "is": "== instead of is",
    "contains": "keyword.contains('flat')",
    "startsWith": "app.startsWith('a')",
    "endsWith": "host.endsWith('.example')",
    "matches": "keyword.matches('flat|house')",
    "like": "keyword.contains('flat') instead of like",
    "between": "flow_mb >= 1.0 && flow_mb < 3.0 instead of between",
    "if": "a ? b : c, or && instead of if",
    ">": "!= instead of <>, or >= for at least",
    ",": "a list in square brackets, such as app in ['a', 'b']",
}


def syntax_fault(source: str, error: str) -> str:
    """Of a condition that can't be parsed: where, and what was expected."""
    found = _SYNTAX.search(error)
    if found is None:
        return f"can't be read: {_shortened(error)}"
    lines = source.split("\n")
    line, column, what = min(int(found[1]), len(lines)) - 1, int(found[2]) - 1, found[3]
    at = sum(len(each) + 1 for each in lines[:line]) + column
    return f"can't be read {_place(source, at)}: {_expected(source, at, what)}"


def type_fault(source: str, error: str, used: Mapping[str, Variable]) -> str:
    """Of a condition that can't be worked out on an example."""
    pattern = _PATTERN.search(error)
    if pattern is not None:
        return f"matches: the pattern can't be read: {pattern[1]}"
    undefined = _UNDEFINED.search(error)
    if undefined is not None and undefined[1] in FUNCTIONS:
        return f"{undefined[1]}: expected it as in {FUNCTIONS[undefined[1]]}{_with(used)}"
    operation = _OPERATION.search(error)
    if operation is not None:
        left, sign, right = operation.groups()
        if {left, right} <= {"int", "float", "double", "uint"}:
            return f"got {left} {sign} {right}: expected numbers with a point, such as 2.0 for 2, as the words are"
        left, right = (_NAMES.get(each, each) for each in (left, right))
        return f"got {left} {sign} {right}: expected the same type on both sides{_with(used)}"
    if "No such overload" in error:
        return (
            "got different types where the same are expected, such as text compared by <, or a word without a "
            f"comparison where true or false is expected{_with(used)}"
        )
    return f"can't be worked out{_with(used)}: {_shortened(error)}"


def result_fault(result: object, used: Mapping[str, Variable]) -> str:
    """Of a condition that gives something other than true or false."""
    what = _TYPES.get(type(result), f"a {type(result).__name__}")
    example = f", such as {_comparison(used)}" if used else ""
    return f"expected true or false, got {what}{example}"


def _place(source: str, at: int) -> str:
    if at >= len(source):
        return f"after {_excerpt(source[-2 * _AROUND :])}"
    return f"at {_excerpt(source[at : at + 2 * _AROUND])}"


def _excerpt(text: str) -> str:
    return repr(" ".join(text.split()))


def _expected(source: str, at: int, what: str) -> str:
    quotes = [each for each in "“”‘’「」" if each in source]
    if quotes:
        return f"expected straight quotes ' or \", got {quotes[0]}"
    if what.startswith("reserved identifier"):
        word = what.rpartition(": ")[2]
        return f"expected {_INSTEAD.get(word, f'another word: {word} is reserved')}"
    if what.startswith("token recognition error"):
        sign = source[at : at + 1]
        if sign == "=":
            return "expected == to compare"
        if sign in ("'", '"'):
            return "expected quotes that are closed"
        return f"expected {'&& for and' if sign == '&' else '|| for or' if sign == '|' else f'no {sign}'}"
    if "missing ')'" in what or (at >= len(source) and source.count("(") > source.count(")")):
        return "expected a ) for each ("
    following, preceding = re.match(r"\s*(\w+|.)", source[at:]), re.search(r"(\w+)\s*$", source[:at])
    for found in (following, preceding):
        for word in (found[1], found[1].lower()) if found is not None else ():
            if word in _INSTEAD:
                return f"expected {_INSTEAD[word]}"
    if following is not None and following[1] == ")":
        return "expected no ), for no ( is open" if source.count(")") > source.count("(") else "expected a value"
    if at >= len(source):
        return "expected a value: it ends too early"
    if "expecting {<EOF>" in what or "expecting <EOF>" in what or "expecting {'=='" in what:
        return "expected the end, or a sign such as &&, ||, == or <"
    return "expected a value, such as a word, a number or text in quotes"


def _with(used: Mapping[str, Variable]) -> str:
    if not used:
        return ""
    return "; " + ", ".join(f"{name} is {_TYPES[type(variable.example)]}" for name, variable in used.items())


def _comparison(used: Mapping[str, Variable]) -> str:
    name, variable = next(iter(used.items()))
    if isinstance(variable.example, str):
        return f"{name} == {variable.example!r}"
    return f"{name} > {variable.example}" if isinstance(variable.example, float) else name


def _shortened(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _CUT else line[: _CUT - 3] + "..."
