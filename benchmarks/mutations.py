"""The mutants of a module: its text with one operator, number, border or condition changed, as cosmic-ray does."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from difflib import SequenceMatcher
from typing import NamedTuple

from cosmic_ray.mutating import mutate_code
from cosmic_ray.plugins import get_operator

OPERATORS = [
    *("ReplaceBinaryOperator_" + pair for pair in (
        "Add_Sub", "Sub_Add", "Mul_Div", "Div_Mul", "Mul_Add", "Pow_Mul", "FloorDiv_Mul", "Mod_Mul")),
    *("ReplaceComparisonOperator_" + pair for pair in (
        "Lt_LtE", "LtE_Lt", "Gt_GtE", "GtE_Gt", "Lt_GtE", "Gt_LtE", "Eq_NotEq", "NotEq_Eq", "Is_IsNot", "IsNot_Is")),
    "ReplaceUnaryOperator_Delete_USub", "ReplaceUnaryOperator_Delete_Not", "AddNot", "NumberReplacer",
    "ReplaceTrueWithFalse", "ReplaceFalseWithTrue", "ReplaceAndWithOr", "ReplaceOrWithAnd",
    "ReplaceBreakWithContinue", "ReplaceContinueWithBreak", "ZeroIterationForLoop",
]  # fmt: skip


class Mutant(NamedTuple):
    """One change of one module."""

    line: int
    before: str
    after: str
    source: str


def mutants(source: str) -> list[Mutant]:
    """All of them, each text once."""
    found: dict[str, Mutant] = {}
    for name in OPERATORS:
        operator = get_operator(f"core/{name}")
        for operands in operator.arguments() or [None]:
            made = operator(**operands.operator_args) if operands else operator()
            for changed in _occurrences(source, made):
                mutant = _located(source, changed)
                if mutant and _is_code(source, changed):
                    found.setdefault(changed, mutant)
    return list(found.values())


def _occurrences(source: str, operator: object) -> Iterator[str]:
    """The source with the operator applied at its first place, its second, and so on."""
    occurrence = 0
    while (changed := mutate_code(source, operator, occurrence)) is not None:
        yield str(changed)
        occurrence += 1


def _located(source: str, changed: str) -> Mutant | None:
    """The change by its first line; none where only a line's end moved."""
    old, new = source.splitlines(), changed.splitlines()
    for tag, first, last, from_, to in SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        if tag != "equal":
            before, after = (" ".join(text.split()) for text in ("\n".join(old[first:last]), "\n".join(new[from_:to])))
            return Mutant(first + 1, before, after, changed)
    return None


def _is_code(source: str, changed: str) -> bool:
    """It can be compiled and changes what is done: no annotation, no signature, no default of a configuration."""
    try:
        return _what_is_done(ast.parse(source)) != _what_is_done(ast.parse(changed))
    except SyntaxError:
        return False


def _what_is_done(tree: ast.AST) -> str:
    for node in ast.walk(tree):
        if isinstance(node, ast.arguments):  # `*` may have become `/`
            node.args, node.posonlyargs, node.kwonlyargs = [*node.posonlyargs, *node.args, *node.kwonlyargs], [], []
        elif isinstance(node, ast.arg):
            node.annotation = None
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            node.returns = None
        elif isinstance(node, ast.ClassDef):  # a default is a choice, not a rule
            node.body = [inner for inner in node.body if not isinstance(inner, ast.AnnAssign)]
        elif isinstance(node, ast.If) and ast.unparse(node.test) in ("TYPE_CHECKING", "not TYPE_CHECKING"):
            node.test = ast.Constant(value=False)
    return ast.dump(tree)
