"""Splits one request's bytes into a statement and its inline data, as a ClickHouse server's parser does."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

SYNTAX_ERROR = 62
NOT_IMPLEMENTED = 48
UNKNOWN_TYPE_OF_QUERY = 78
INTO_OUTFILE_NOT_ALLOWED = 358

# Strings are written "unrolled" (runs, then one escape, then runs) so that a long literal costs one pass.
_TOKEN = re.compile(
    rb"""
    (?P<space>\s+|--[^\n]*|\#[ !][^\n]*|/\*.*?\*/)
    |(?P<string>'[^'\\]*(?:(?:\\.|'')[^'\\]*)*')
    |(?P<quoted>`[^`\\]*(?:(?:\\.|``)[^`\\]*)*`|"[^"\\]*(?:(?:\\.|"")[^"\\]*)*")
    |(?P<word>[A-Za-z_][A-Za-z0-9_$]*)
    |(?P<number>[0-9][0-9A-Za-z_.]*)
    |(?P<punct>.)
    """,
    re.DOTALL | re.VERBOSE,
)
_HEREDOC = re.compile(rb"\$(\w{0,64})\$")
_OPENERS, _CLOSERS = (b"(", b"[", b"{"), (b")", b"]", b"}")
_BUILT_IN = frozenset({b"system", b"information_schema", b"default"})
_SELF_DESTRUCTIVE = frozenset({b"drop", b"detach", b"truncate", b"rename", b"exchange"})
_RESULT_KINDS = frozenset({"select", "with", "show", "describe", "desc", "explain", "exists", "check", "kill", "from"})
_KNOWN_KINDS = _RESULT_KINDS | frozenset(
    {"insert", "create", "drop", "detach", "attach", "alter", "rename", "exchange", "truncate", "optimize", "set"}
    | {"use", "system", "grant", "revoke", "delete", "update", "undrop", "backup", "restore", "watch", "move"}
    | {"begin", "commit", "rollback"}
)
# After this many bytes only the engine judges a statement: it is past any max_query_size in use here.
_SCAN_LIMIT = 1 << 20


@dataclass(frozen=True)
class Refusal:
    """Why a statement is not handed to the engine: a ClickHouse error code, its name and a message."""

    code: int
    name: str
    message: str


@dataclass(frozen=True)
class Statement:
    """What the front needs to know about one request's statement.

    ``kind`` is its first keyword in lower case, or ``other`` (never free text: it goes to the log).
    ``insert_format`` is set when the bytes from ``data_start`` on are data of that format, and then
    ``insert_end`` is where the INSERT without its FORMAT/VALUES ends.
    ``output_format`` is the trailing FORMAT of a statement with a result, where one is written.
    """

    kind: str
    insert_format: str | None = None
    insert_end: int = 0
    data_start: int = 0
    output_format: str | None = None
    refusal: Refusal | None = None

    @property
    def returns_rows(self) -> bool:
        """Whether a server would answer with a result set, be it an empty one."""
        return self.kind in _RESULT_KINDS


@dataclass(frozen=True)
class _Token:
    group: str
    text: bytes
    start: int
    end: int
    depth: int

    @property
    def word(self) -> bytes:
        return self.text.lower() if self.group == "word" else b""


def parse(sql: bytes) -> Statement:
    """Classify `sql`, the bytes of one request (statement, then possibly inline data).

    Never raises: what it cannot read goes to the engine unchanged, whose syntax error is the better one.
    A `refusal` marks what a server's HTTP interface refuses too, or what would break the embedded
    engine for everyone: more than one statement, INTO OUTFILE, FROM INFILE, shutting the engine down,
    dropping a built-in database.
    """
    tokens = _tokens(sql)
    first = next(tokens, None)
    while first is not None and first.text == b"(":
        first = next(tokens, None)
    # The engine takes a statement that starts with an unknown byte (NUL, a letter that is not ASCII) for none at
    # all and reports success.
    if first is None or (not first.word and first.text not in (b"}", b"]", b")")):
        message = "Syntax error: the query is empty or starts with something that is not a keyword."
        return Statement("other", refusal=Refusal(SYNTAX_ERROR, "SYNTAX_ERROR", message))
    kind = first.word.decode() if first.word.decode() in _KNOWN_KINDS else "other"
    if kind == "insert":
        return _insert(tokens)
    return _whole(kind, first, list(tokens))


def _tokens(sql: bytes) -> Iterator[_Token]:
    position, depth, end = 0, 0, min(len(sql), _SCAN_LIMIT)
    while position < end:
        if (heredoc := _HEREDOC.match(sql, position, end)) is not None:
            closed = sql.find(heredoc.group(), heredoc.end(), end)
            if closed < 0:
                return
            stop = closed + len(heredoc.group())
            yield _Token("string", b"", position, stop, depth)
            position = stop
            continue
        match = _TOKEN.match(sql, position, end)
        if match is None or match.lastgroup is None:
            return
        text = match.group()
        if match.lastgroup == "punct":
            # An unclosed quote or comment: what follows cannot be read as tokens, and trying again at
            # every further quote would cost a quadratic time on garbage.
            if text in (b"'", b"`", b'"') or sql.startswith(b"/*", position):
                return
            depth = max(0, depth + (text in _OPENERS) - (text in _CLOSERS))
        if match.lastgroup != "space":
            yield _Token(match.lastgroup, text, position, match.end(), depth)
        position = match.end()


def _insert(tokens: Iterator[_Token]) -> Statement:
    # The keyword, then [INTO] [TABLE|FUNCTION] and the target: a target may be named like a keyword.
    seen, previous = 0, b""
    for token in tokens:
        seen += 1
        if token.depth or seen < 3 or not token.word or previous == b".":
            previous = token.text
            continue
        if token.word in (b"select", b"with", b"watch", b"explain"):
            return _whole("insert", token, list(tokens))
        if previous.lower() == b"from" and token.word == b"infile":
            message = "FROM INFILE names a file of the server, which HTTP does not read. Send the data in the body."
            return Statement("insert", refusal=Refusal(UNKNOWN_TYPE_OF_QUERY, "UNKNOWN_TYPE_OF_QUERY", message))
        if token.word == b"values":
            return Statement("insert", insert_format="Values", insert_end=token.start, data_start=token.end)
        if token.word == b"format":
            name = next(tokens, None)
            if name is None or name.group != "word":
                return Statement("insert")
            if name.word == b"values":
                return Statement("insert", insert_format="Values", insert_end=token.start, data_start=name.end)
            return Statement("insert", insert_format=name.text.decode(), insert_end=token.start, data_start=name.end)
        previous = token.text
    return Statement("insert")


def skip_to_data(sql: bytes, statement: Statement) -> int:
    """Where the data of `statement` starts in `sql`: past blanks and one line end after the format's name."""
    position = statement.data_start
    while sql[position : position + 1] in (b" ", b"\t", b"\f"):
        position += 1
    if sql[position : position + 1] == b"\r":
        position += 1
    if sql[position : position + 1] == b"\n":
        position += 1
    return position


def _whole(kind: str, first: _Token, rest: list[_Token]) -> Statement:
    words = [first, *rest]
    last = max(index for index, token in enumerate(words) if token.text != b";" or index == 0)
    for index, token in enumerate(words):
        if token.text == b";" and token.depth == 0 and index < last:
            return Statement(kind, refusal=Refusal(SYNTAX_ERROR, "SYNTAX_ERROR", "Multi-statements are not allowed."))
        if token.word == b"outfile" and index and words[index - 1].word == b"into":
            message = "INTO OUTFILE is not allowed over HTTP. Read the result from the response."
            return Statement(kind, refusal=Refusal(INTO_OUTFILE_NOT_ALLOWED, "INTO_OUTFILE_NOT_ALLOWED", message))
    return Statement(kind, output_format=_trailing_format(words), refusal=_refusal(words))


def _refusal(words: list[_Token]) -> Refusal | None:
    verb = words[0].word
    if verb in (b"exit", b"quit", b"logout", b"q") and all(token.text == b";" for token in words[1:]):
        return Refusal(SYNTAX_ERROR, "SYNTAX_ERROR", "Syntax error: that is a command of a console, not a statement.")
    if verb == b"system" and len(words) > 1 and words[1].word in (b"shutdown", b"kill"):
        message = "The embedded engine is stopped with its process, not by a statement."
        return Refusal(NOT_IMPLEMENTED, "NOT_IMPLEMENTED", message)
    # The engine lets these go and is of no use to anyone afterwards, so the front does not.
    whole_database = len(words) > 1 and words[1].word == b"database"
    names = {token.text.strip(b'`"').lower() for token in words if token.group in ("word", "quoted")}
    guarded = _BUILT_IN if whole_database else _BUILT_IN - {b"default"}
    if verb in _SELF_DESTRUCTIVE and names & guarded:
        message = "A built-in database cannot be changed: the embedded engine cannot work without it."
        return Refusal(NOT_IMPLEMENTED, "NOT_IMPLEMENTED", message)
    return None


def _trailing_format(words: list[_Token]) -> str | None:
    for index in range(len(words) - 2, 0, -1):
        if words[index].depth == 0 and words[index].word == b"format" and words[index + 1].group == "word":
            after = words[index + 2 : index + 3]
            if not after or after[0].text == b";" or after[0].word == b"settings":
                return words[index + 1].text.decode()
    return None
