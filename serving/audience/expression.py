"""Reading an audience expression: readable text -> tree.

The language is written down, with an example of every form, in docs/audiences.md. Reading is pure: the same text and
vocabulary give the same tree, in normal form, and ``parse(canonical(tree), vocabulary) == tree``.
"""

from __future__ import annotations

from collections.abc import Callable
from math import inf, isfinite
from typing import ClassVar, NoReturn

from sqlglot import exp

from serving.audience.canonical import canonical, normal
from serving.audience.expression_error import ExpressionError, Refused, shortened
from serving.audience.grammar import MAX_CHARS, MAX_NESTING, Near, Within, parsed
from serving.audience.meaning import Meanings
from serving.audience.names import why_no_function
from serving.audience.operand import OPERANDS, Groups, LastSeen, Operand, Tag, how_to_compare
from serving.audience.quantity import distance_km
from serving.audience.tree import Every, Node, Outside, Some
from serving.audience.vocabulary import Vocabulary

_SIGNS: dict[type[exp.Expr], str] = {exp.EQ: "=", exp.NEQ: "!=", exp.GT: ">", exp.GTE: ">=", exp.LT: "<", exp.LTE: "<="}
_CONDITIONS: tuple[type[exp.Expr], ...] = (exp.And, exp.Or, exp.Not, *_SIGNS, exp.In, Near, Within)


def parse(text: str, vocabulary: Vocabulary) -> Node:
    """The tree of an expression, in normal form.

    Raises
    ------
    ExpressionError
        When it can't be used: where in the text, what was got, what is known, what to do.
    """
    node = normal(_Reader(text, vocabulary).condition(parsed(text)))
    chars, depth = len(canonical(node)), _depth(node)
    if chars > MAX_CHARS or depth > MAX_NESTING:
        reason = (
            f"written out it has {chars:,} characters and is {depth} deep, expected at most {MAX_CHARS:,} characters "
            f"and {MAX_NESTING} deep: use fewer conditions, or a shorter distance"
        )
        raise ExpressionError(text, 0, len(text), reason)
    return node


def check_word(definition: str, vocabulary: Vocabulary) -> None:
    """Refuse what an operator's word can't stand for; other words are not known in its definition.

    Raises
    ------
    ExpressionError
        When the definition is no group, figure of a tag, or condition of the language.
    """
    meaning = _word_reader(definition, vocabulary).meaning(parsed(definition))
    if isinstance(meaning, str | float | LastSeen):
        reason = "expected a group, a tag, a share or mean of one, or a condition"
        raise ExpressionError(definition, 0, len(definition), reason)


def _word_reader(definition: str, vocabulary: Vocabulary) -> _Reader:
    return _Reader(definition, Vocabulary(vocabulary.groups, vocabulary.rules))


class _Reader:
    """Reads one text."""

    def __init__(self, text: str, vocabulary: Vocabulary) -> None:
        self._text = text
        self._vocabulary = vocabulary
        self._meanings = Meanings(vocabulary)

    @property
    def conditions(self) -> int:
        """How many it has made so far."""
        return self._meanings.conditions

    def condition(self, tree: exp.Expr) -> Node:
        """The tree as a condition."""
        meaning = self.meaning(tree)
        if isinstance(meaning, OPERANDS):
            self._refuse(tree, f"expected a condition: {how_to_compare(meaning)}")
        return meaning

    def meaning(self, tree: exp.Expr) -> Node | Operand:
        """The tree as a condition, or as one side of a comparison."""
        read = self._READ.get(type(tree))
        if read is None:
            self._refuse(tree, _why_not(tree))
        try:
            return read(self, tree)
        except Refused as refused:
            self._refuse(tree, str(refused))

    def _operand(self, tree: exp.Expr) -> Operand:
        # a chain of comparisons leans to the left, as deep as it is long: it is refused before going down
        meaning = None if isinstance(tree.unnest(), _CONDITIONS) else self.meaning(tree)
        if not isinstance(meaning, OPERANDS):
            self._refuse(tree, "expected a group, a tag, a text or a number here, got a condition")
        return meaning

    def _refuse(self, tree: exp.Expr, reason: str) -> NoReturn:
        start, end = _place(tree)
        raise ExpressionError(self._text, start, end, reason) from None

    def _inner(self, tree: exp.Expr) -> Node | Operand:
        return self.meaning(tree.this)

    def _joined(self, tree: exp.Expr) -> Node:
        kind = type(tree)
        arms = []
        while type(tree) is kind:  # sqlglot's tree leans to the left, as deep as there are conditions
            arms.append(tree.expression)
            tree = tree.this
        of = tuple(self.condition(each) for each in (tree, *reversed(arms)))
        return Every(of) if kind is exp.And else Some(of)

    def _outside(self, tree: exp.Expr) -> Node:
        return Outside(self.condition(tree.this))

    def _compared(self, tree: exp.Expr) -> Node:
        return self._meanings.compared(self._operand(tree.this), _SIGNS[type(tree)], self._operand(tree.expression))

    def _in(self, tree: exp.Expr) -> Node:
        groups, names = self._operand(tree.this), [self._operand(each) for each in tree.expressions]
        texts = [name for name in names if isinstance(name, str)]
        if not isinstance(groups, Groups) or not names or len(texts) != len(names):
            self._refuse(tree, "expected a group and names in brackets, as in plan in ('basic', 'plus')")
        return self._meanings.one_of(groups, texts)

    def _near(self, tree: exp.Expr) -> Node:
        return self._meanings.near(*self._place_and_district(tree))

    def _within(self, tree: exp.Expr) -> Node:
        what, limit = tree.this, self._operand(tree.expression)
        if not isinstance(limit, str):
            self._refuse(tree.expression, "expected a time such as '7 days' or a distance such as '5 km', in quotes")
        negated = False
        while isinstance(what, exp.Paren | exp.Not):  # home not near 'A3' within '5 km'
            negated ^= isinstance(what, exp.Not)
            what = what.this
        if isinstance(what, Near):
            node = self._meanings.near(*self._place_and_district(what), distance_km(limit))
        else:
            seen = self._operand(what)
            if not isinstance(seen, LastSeen):
                self._refuse(tree, "expected seen(app:WeChat) within '7 days', or work near 'A3' within '5 km'")
            node = self._meanings.seen(seen, limit)
        return Outside(node) if negated else node

    def _place_and_district(self, tree: exp.Expr) -> tuple[Groups, str]:
        groups, district = self._operand(tree.this), self._operand(tree.expression)
        if not isinstance(groups, Groups) or not isinstance(district, str):
            self._refuse(tree, "expected a group of places and a district, as in work near 'A3' within '5 km'")
        return groups, district

    def _called(self, tree: exp.Expr) -> Node | Operand:
        name = tree.this.lower() if isinstance(tree.this, str) else ""
        arguments = [self._operand(each) for each in tree.expressions]
        if name == "either":
            return self._meanings.either(arguments)
        make = _OF_A_TAG.get(name)
        if make is None:
            self._refuse(tree, why_no_function(name))
        if len(arguments) != 1:
            self._refuse(tree, f"{name} is of one tag, got {len(arguments)}: expected {name}(app:WeChat)")
        return make(self._meanings, self._meanings.tag_of(arguments[0], name))

    def _named(self, tree: exp.Expr) -> Node | Operand:
        name = tree.this
        if not isinstance(name, exp.Identifier):
            self._refuse(tree, _why_not(tree))
        group, colon, tag = name.name.partition(":")
        if colon:
            return self._meanings.names.tag(group, tag)
        if name.name in self._vocabulary.groups:
            return Groups((name.name,))
        if name.name in self._vocabulary.words:
            return self._word(tree, name.name)
        self._refuse(tree, self._meanings.names.why_unknown(name.name, quoted=bool(name.args.get("quoted"))))

    def _word(self, tree: exp.Expr, word: str) -> Node | Operand:
        definition = self._vocabulary.words[word]
        reader = _word_reader(definition, self._vocabulary)
        try:
            meaning = reader.meaning(parsed(definition))
        except ExpressionError as error:
            self._refuse(tree, f"the word {word} stands for {shortened(definition)}, which can't be used: {error}")
        return meaning if isinstance(meaning, OPERANDS) else self._meanings.counted(meaning, reader.conditions)

    def _literal(self, tree: exp.Expr) -> str | float:
        if tree.is_string:
            return str(tree.this)
        try:
            number = float(tree.this)
        except ValueError:  # sqlglot's numbers may end in an e
            number = inf
        if not isfinite(number):
            self._refuse(tree, "expected a number such as 3, 0.25 or 1e6")
        return number

    def _negative(self, tree: exp.Expr) -> float:
        number = self._operand(tree.this)
        if not isinstance(number, float):
            self._refuse(tree, "expected a number after -; a name with a - in it stands in quotes")
        return -number

    _READ: ClassVar[dict[type[exp.Expr], Callable[[_Reader, exp.Expr], Node | Operand]]] = {
        exp.Paren: _inner,
        exp.And: _joined,
        exp.Or: _joined,
        exp.Not: _outside,
        **dict.fromkeys(_SIGNS, _compared),
        exp.In: _in,
        Near: _near,
        Within: _within,
        exp.Anonymous: _called,
        exp.Column: _named,
        exp.Literal: _literal,
        exp.Neg: _negative,
    }


_OF_A_TAG: dict[str, Callable[[Meanings, Tag], Node | Operand]] = {
    "has": Meanings.has,
    "share": Meanings.share,
    "mean": Meanings.mean,
    "seen": lambda _, tag: LastSeen(tag),
}


def _why_not(tree: exp.Expr) -> str:
    if isinstance(tree, exp.Bracket):
        return "no square brackets here: a tag is named group:name, as in app:WeChat"
    if isinstance(tree, exp.Sub):
        return 'no calculations here; a name with a - in it stands in quotes, as in "product:roaming-pass"'
    return "not of this language: expected conditions such as home = 'A3' or app:WeChat > 3, joined by and, or, not"


def _place(tree: exp.Expr) -> tuple[int, int]:
    """First and last character of a piece of sqlglot's tree, as far as its names and values go."""
    places = [(each.meta["start"], each.meta["end"]) for each in tree.walk() if "start" in each.meta]
    return (min(start for start, _ in places), max(end for _, end in places) + 1) if places else (0, 0)


def _depth(node: Node) -> int:
    if isinstance(node, Every | Some):
        return 1 + max(_depth(each) for each in node.of)
    return _depth(node.of) if isinstance(node, Outside) else 1
