"""The grammar of audience expressions: a small dialect of sqlglot, and the limits of a text before it is parsed.

The words are few (and, or, not, in, near, within, comparisons, brackets, texts, numbers, names), so there are no
statements, types, comments or functions of SQL to get in. A name may hold a colon and dots, since tags are named
``<group>:<name>``; one with other characters stands in double quotes. Source: sqlglot's guide to custom dialects.
"""

from __future__ import annotations

import unicodedata
from typing import Any, ClassVar

from sqlglot import exp
from sqlglot.dialects.dialect import Dialect
from sqlglot.errors import ErrorLevel, ParseError, TokenError
from sqlglot.parser import Parser, binary_range_parser
from sqlglot.tokenizer_core import Token, TokenType
from sqlglot.tokens import Tokenizer

from serving.audience.expression_error import ExpressionError

MAX_CHARS = 8_000
"""Of a text, and of what it is when written out (`serving.audience.canonical`)."""
MAX_NESTING = 20
"""Brackets in brackets, and ``not`` before ``not``: the parser is recursive."""

_NOT_ASCII = {"‘": "'", "’": "'", "“": '"', "”": '"', "，": ",", "（": "(", "）": ")", "＝": "=", "＜": "<", "＞": ">"}
# sqlglot's token types can't be added to: these two are of operators that the dialect does not have
_NEAR, _WITHIN = TokenType.OVERLAPS, TokenType.SIMILAR_TO
_OPENING = (TokenType.L_PAREN, TokenType.L_BRACKET)
_CLOSING = (TokenType.R_PAREN, TokenType.R_BRACKET)
_PREFIXES = (TokenType.NOT, TokenType.DASH)


class Near(exp.Expression, exp.Binary, exp.Predicate):
    """``place near 'district'``."""


class Within(exp.Expression, exp.Binary, exp.Predicate):
    """``seen(tag) within '7 days'`` or ``place near 'district' within '5 km'``."""


class _ParseErrorAt(ParseError):
    """What the parser can't go on with: the token's characters."""

    def __init__(self, message: str, start: int, end: int) -> None:
        super().__init__(message, [{}])  # sqlglot writes into the first
        self.message = message
        self.start = start
        self.end = end


class _AudienceTokenizer(Tokenizer):
    QUOTES: ClassVar[list[tuple[str, str] | str]] = ["'"]
    IDENTIFIERS: ClassVar[list[str | tuple[str, str]]] = ['"']
    COMMENTS: ClassVar[list[str | tuple[str, str]]] = []
    COMMANDS: ClassVar[set[TokenType]] = set()
    KEYWORDS: ClassVar[dict[str, TokenType]] = {
        "AND": TokenType.AND,
        "OR": TokenType.OR,
        "NOT": TokenType.NOT,
        "IN": TokenType.IN,
        "NEAR": _NEAR,
        "WITHIN": _WITHIN,
        "==": TokenType.EQ,
        "!=": TokenType.NEQ,
        "<>": TokenType.NEQ,
        ">=": TokenType.GTE,
        "<=": TokenType.LTE,
    }
    SINGLE_TOKENS: ClassVar[dict[str, TokenType]] = {
        "(": TokenType.L_PAREN,
        ")": TokenType.R_PAREN,
        "[": TokenType.L_BRACKET,
        "]": TokenType.R_BRACKET,
        ",": TokenType.COMMA,
        "=": TokenType.EQ,
        ">": TokenType.GT,
        "<": TokenType.LT,
        "-": TokenType.DASH,
        # end a name; what they are themselves is decided elsewhere
        "!": TokenType.UNKNOWN,
        "'": TokenType.UNKNOWN,
        '"': TokenType.UNKNOWN,
    }


class _AudienceParser(Parser):
    FUNCTIONS: ClassVar[dict[str, Any]] = {}
    FUNCTION_PARSERS: ClassVar[dict[str, Any]] = {}
    NO_PAREN_FUNCTIONS: ClassVar[dict[Any, Any]] = {}
    NO_PAREN_FUNCTION_PARSERS: ClassVar[dict[str, Any]] = {}
    RANGE_PARSERS: ClassVar[dict[Any, Any]] = {
        TokenType.IN: Parser.RANGE_PARSERS[TokenType.IN],
        _NEAR: binary_range_parser(Near),
        _WITHIN: binary_range_parser(Within),
    }

    def raise_error(self, message: str, token: Any = None) -> None:
        """Give up at the token, of which the place is kept."""
        at = token or self._curr or self._prev
        raise _ParseErrorAt(message, at.start, at.end + 1) if at else _ParseErrorAt(message, 0, 0)


class AudienceDialect(Dialect):
    """The dialect; `parsed` is the way in."""

    Tokenizer = _AudienceTokenizer
    Parser = _AudienceParser


_dialect = AudienceDialect()


def parsed(text: str) -> exp.Expr:
    """The text as sqlglot's tree, of any of its node types: who reads it refuses those it does not know.

    Raises
    ------
    ExpressionError
        When it is not of the grammar, too long or too deep.
    """
    if len(text) > MAX_CHARS:
        reason = f"the expression has {len(text):,} characters, expected at most {MAX_CHARS:,}: use fewer conditions"
        raise ExpressionError(text, 0, 0, reason)
    found = _tokens(text)
    if not found:
        reason = "an empty expression: expected a condition such as home = 'A3', app:WeChat > 3 or tenure >= '1y-3y'"
        raise ExpressionError(text, 0, 0, reason)
    _check_nesting(text, found)
    parser = _dialect.parser(error_level=ErrorLevel.IMMEDIATE)
    try:
        [tree] = parser.parse_into(exp.Condition, found, text)
    except ParseError as error:
        at = error.__cause__  # sqlglot wraps what it raised itself
        if not isinstance(at, _ParseErrorAt):
            raise
        raise ExpressionError(text, at.start, at.end, _said(text, at)) from None
    if tree is None:
        reason = "expected a condition, such as home = 'A3' or app:WeChat > 3"
        raise ExpressionError(text, found[0].start, found[0].end + 1, reason)
    return tree


def _tokens(text: str) -> list[Token]:
    try:
        found: list[Token] = _dialect.tokenize(text)
    except TokenError:
        # all that tokenizing can fail for here is a quote that is not closed
        start = _open_quote(text)
        reason = f"the {text[start : start + 1]} is not closed; write it twice where it belongs to a name"
        raise ExpressionError(text, start, len(text), reason) from None
    for token in found:
        if token.token_type == TokenType.UNKNOWN:
            reason = "expected !=, or not before a condition" if token.text == "!" else "unexpected"
            raise ExpressionError(text, token.start, token.end + 1, reason)
        if token.token_type == TokenType.VAR:
            _check_name(text, token)
    return found


def _check_name(text: str, token: Token) -> None:
    for place, char in enumerate(token.text):
        meant = _NOT_ASCII.get(char) or _NOT_ASCII.get(unicodedata.normalize("NFKC", char))
        if meant:
            start = token.start + place
            raise ExpressionError(text, start, start + 1, f"got {char}, expected {meant}: type it as plain ASCII")


def _open_quote(text: str) -> int:
    quote, start = "", 0
    for place, char in enumerate(text):
        if quote:
            if char == quote:
                quote = ""
        elif char in "'\"":
            quote, start = char, place
    return start


def _check_nesting(text: str, found: list[Token]) -> None:
    """Refuse what would take the parser too deep. A prefix holds until something other than a bracket follows it."""
    prefixes, stack = 0, [0]
    for token in found:
        if token.token_type in _PREFIXES:
            prefixes += 1
        elif token.token_type in _OPENING:
            stack.append(stack[-1] + prefixes + 1)
            prefixes = 0
        else:
            prefixes = 0
            if token.token_type in _CLOSING and len(stack) > 1:
                stack.pop()
        if stack[-1] + prefixes > MAX_NESTING:
            reason = f"brackets and nots are nested more than {MAX_NESTING} deep: write it flatter"
            raise ExpressionError(text, token.start, token.end + 1, reason)


def _said(text: str, error: _ParseErrorAt) -> str:
    """The parser's message in the words of the language."""
    if error.message.startswith("Expecting )"):
        return "expected ) or and/or before this"
    if error.message.startswith("Expected ]"):
        return "expected ]"
    if error.message.startswith("Required keyword"):
        return "something is missing before or after the operator: compare like home = 'A3' or app:WeChat > 3"
    if text[error.start : error.end] in ("'", '"'):
        return "unexpected quote"
    return "unexpected here: expected and, or, or the end. Names with blanks or signs in them are written in quotes"
