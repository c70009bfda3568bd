"""Reading the Python of a chapter: its cells as syntax trees, its imports and its claims."""

import ast
from collections.abc import Iterator

from bookbuild.chapters import Notebook, Place, code_cells


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


def imports(chapter: str, notebook: Notebook, package: str) -> bool:
    """Whether any cell imports the package or a module of it."""
    return any(
        name.split(".")[0] == package
        for _, tree in trees(chapter, notebook)
        for name in _imported(tree)
    )


def _imported(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module


def claims(chapter: str, notebook: Notebook) -> list[tuple[Place, ast.Assert]]:
    """Every `assert` of a chapter."""
    return [
        (place, node)
        for place, tree in trees(chapter, notebook)
        for node in ast.walk(tree)
        if isinstance(node, ast.Assert)
    ]
