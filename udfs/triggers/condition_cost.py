"""What a condition must not contain, so that working one out once costs at most about a millisecond.

The library shows which functions and operators a condition uses, not how they are nested. What that does not say is
looked for in its text, in a way that can only refuse too much: a word of a loop before a parenthesis is a loop, also
where it stands in quotes.

Least of 20 runs on a busy machine: a comparison 4 us; ``matches('flat|house')`` 21 us, for a pattern is compiled each
time; the dearest found among those let through, a pattern of 100 dots, 0.6 ms, and without patterns 1,000 characters of
lists 0.15 ms. Of text as long as a record may be (65,536 characters) eight ``+`` take 0.07 ms. What is refused: five
loops in each other over ten values took 38 ms, ``\\w{100}`` 26 ms, twenty ``+`` of 300 kB 40 ms.
"""

from __future__ import annotations

import re
from difflib import get_close_matches

import cel

FUNCTIONS = {
    "contains": "keyword.contains('flat')",
    "endsWith": "host.endsWith('.example')",
    "matches": "keyword.matches('flat|house')",
    "startsWith": "app.startsWith('a')",
    "double": "double(size(app))",
    "int": "int(flow_mb)",
    "max": "max(flow_mb, window_mb)",
    "min": "min(flow_mb, window_mb)",
    "size": "size(app) > 3",
    "string": "string(flow_mb)",
    "uint": "uint(flow_mb)",
}
"""Functions that conditions may call, each with an example."""
MAX_PLUS = 8
MAX_PATTERN_CHARS = 100

# between two tokens; every whitespace of CEL and more, and its comments
_GAP = r"(?:\s|//[^\n]*+)*+"
_LOOP = re.compile(rf"\b(all|exists|exists_one|existsOne|map|filter){_GAP}\(")
_MATCHES = re.compile(rf"\bmatches{_GAP}\(")
# text in quotes that is the same whether CEL reads it with or without escapes: no backslash before a quote
_LITERAL = re.compile(r"""\s*r?('(?P<one>(?:[^'\\\n]|\\[^'"\n])*)'|"(?P<two>(?:[^"\\\n]|\\[^'"\n])*)")\s*\)""")
_DEAR = re.compile(r"\{|\\[A-Za-z0-9]|\[:|\(\?")


def why_too_dear(program: cel.Program, source: str) -> str:
    """Why a condition is refused, for what it calls and what that may cost; empty: it is not."""
    loop = _LOOP.search(source)
    if loop or "@not_strictly_false" in program.functions():
        word = f"{loop[1]}(...)" if loop else "a loop"
        return f"got {word}: expected no loops, such as category in ['video', 'music'] or keyword.matches('flat|house')"
    for name in program.functions():
        if name.isidentifier() and not name.startswith("_") and name not in FUNCTIONS:
            near = get_close_matches(name, FUNCTIONS, n=1)
            remedy = (
                f"did you mean {FUNCTIONS[near[0]]}?" if near else f"expected one of {', '.join(sorted(FUNCTIONS))}"
            )
            return f"unknown function {name}: {remedy}"
    if source.count("+") > MAX_PLUS:
        return f"got {source.count('+')} times +: expected at most {MAX_PLUS}"
    return _why_pattern(source)


def _why_pattern(source: str) -> str:
    chars = 0
    for call in _MATCHES.finditer(source):
        literal = _LITERAL.match(source, call.end())
        if literal is None:
            return "matches: expected a pattern in quotes and nothing beside it, such as keyword.matches('flat|house')"
        pattern = literal["one"] if literal["one"] is not None else literal["two"]
        chars += len(pattern)
        dear = _DEAR.search(pattern)
        if dear is not None:
            return (
                f"matches: got {dear[0]} in {pattern!r}: expected letters, [0-9], [a-z], . ( ) | * + ? ^ $ and a "
                "backslash before signs only, for others take long to work out"
            )
    if chars > MAX_PATTERN_CHARS:
        return f"matches: got patterns of {chars} characters: expected {MAX_PATTERN_CHARS} at most in a condition"
    return ""
