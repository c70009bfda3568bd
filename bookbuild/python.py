"""Reading the Python of a chapter: its cells as syntax trees, its imports and its claims."""

import ast
import re
from collections.abc import Iterator
from itertools import pairwise

from bookbuild.chapters import Notebook, Place, code_cells
from bookbuild.kernel_registry import SCOPES

DRAWING = {"bootstrap", "permutation_test", "rvs", "sample", "shuffle", "train_test_split"}
SEEDS = {"random_seed", "random_state", "rng", "seed", None}  # None: among the options
SAME = re.compile(r"\b(isclose|allclose|array_equal|equals|identical|eq)$")


def parsed(source: str) -> ast.Module:
    """The syntax tree of a cell; IPython's own lines (`%…`, `!…`) count as empty."""
    lines = ("pass" if line.startswith(("%", "!")) else line for line in source.splitlines())
    return ast.parse("\n".join(lines))


def trees(chapter: str, notebook: Notebook) -> list[tuple[Place, ast.Module]]:
    """The syntax tree of each code cell; a cell that is not Python stops the press."""
    found = []
    for place, cell in code_cells(chapter, notebook):
        try:
            found.append((place, parsed(cell["source"])))
        except SyntaxError as error:
            raise SystemExit(
                f"{place}: not valid Python: {error.msg}, line {error.lineno}"
            ) from None
    return found


def claims(chapter: str, notebook: Notebook) -> list[tuple[Place, int | None, ast.Assert]]:
    """Every claim, numbered within its cell as the kernel does; without number in a function."""
    found: list[tuple[Place, int | None, ast.Assert]] = []
    for place, tree in trees(chapter, notebook):
        outside = [node for node in _outside(tree) if isinstance(node, ast.Assert)]
        inside = {node for node in ast.walk(tree) if isinstance(node, ast.Assert)} - {*outside}
        found += [(place, number, claim) for number, claim in enumerate(outside)]
        found += [(place, None, claim) for claim in inside]
    return found


def _outside(tree: ast.AST) -> Iterator[ast.AST]:
    """The nodes of a cell outside functions and classes, in their order."""
    for child in ast.iter_child_nodes(tree):
        if not isinstance(child, SCOPES):
            yield child
            yield from _outside(child)


def cannot_fail(test: ast.expr) -> bool:
    """Whether a claim is true whatever the data: it compares a thing with itself, or nothing."""
    if not any(isinstance(node, ast.Name | ast.Call | ast.Attribute) for node in ast.walk(test)):
        return True
    pairs: list[tuple[ast.expr, ast.expr]] = []
    for node in ast.walk(test):
        if isinstance(node, ast.Compare):
            sides = [*pairwise([node.left, *node.comparators])]
            pairs += sides
            for (one, other), how in zip(sides, node.ops, strict=True):
                within = getattr(other, "elts", []) if isinstance(how, ast.In) else []
                if isinstance(other, ast.Call) and ast.unparse(other.func).endswith("approx"):
                    within = other.args[:1]
                pairs += [(one, each) for each in within]
        elif isinstance(node, ast.Call) and SAME.search(ast.unparse(node.func)):
            method = [node.func.value] if isinstance(node.func, ast.Attribute) else []
            pairs += [*pairwise(node.args), *((m, a) for m in method for a in node.args)]
        elif isinstance(node, ast.BinOp) and isinstance(node.op, ast.Sub | ast.Div):
            pairs.append((node.left, node.right))
        elif isinstance(node, ast.BoolOp):
            pairs += [(value, value) for value in node.values if isinstance(value, ast.Constant)]
            contrary = [one.operand for one in node.values if isinstance(one, ast.UnaryOp)]
            pairs += [(value, one) for value in node.values for one in contrary]
    return any(ast.dump(one) == ast.dump(other) for one, other in pairs)


def unseeded(tree: ast.Module) -> list[str]:
    """Calls that draw rows, numbers or folds by chance and are given no seed."""
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    return [
        name
        for call in calls
        if (name := ast.unparse(call.func)).rpartition(".")[2] in DRAWING
        and not name.startswith("rng")
        and SEEDS.isdisjoint(keyword.arg for keyword in call.keywords)
    ]
