"""The convergence gate, read from the code: every fit is seeded, named, and checked under its name.

A call samples unless it is known not to.  Its result must be assigned, and before the name is
assigned anew the whole of it must pass through `check_convergence(…)` in code that always runs.
"""

import ast
import re
from collections.abc import Iterator
from typing import NamedTuple

from bookbuild.chapters import Notebook, Place
from bookbuild.python import trees

CHECK = "check_convergence"
NOT_BAYESIAN = re.compile(r"\b(sm|smf|OLS|MixedLM|mixedlm|LinearRegression|StandardScaler)\b")
SAMPLERS = {"pm.sample", "pymc.sample", "nutpie.sample", "sample", "fit"}
REPEATED = (ast.For, ast.While)
ALWAYS_RUN = (
    ast.Module, ast.Expr, ast.Assign, ast.AnnAssign, ast.For, ast.With, ast.Call, ast.keyword,
    ast.Dict, ast.List, ast.Tuple, ast.Starred, ast.DictComp, ast.ListComp, ast.comprehension,
)  # fmt: skip
GATHERED = (ast.Dict, ast.List, ast.Tuple, ast.DictComp, ast.ListComp)
COMPREHENSIONS = (ast.DictComp, ast.ListComp, ast.SetComp, ast.GeneratorExp)
OWN_SCOPE = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda)


class Code(NamedTuple):
    """The code of a chapter as one sequence: its nodes in order, each with place and ancestors."""

    nodes: list[ast.AST]
    places: dict[ast.AST, Place]
    parents: dict[ast.AST, ast.AST]

    def ancestors(self, node: ast.AST) -> Iterator[ast.AST]:
        """The enclosing nodes, inner ones first."""
        while node in self.parents:
            node = self.parents[node]
            yield node


def code(chapter: str, notebook: Notebook) -> Code:
    """All code of a chapter."""
    found = Code([], {}, {})
    for place, tree in trees(chapter, notebook):
        for node in _in_order(tree):
            found.nodes.append(node)
            found.places[node] = place
            found.parents.update((child, node) for child in ast.iter_child_nodes(node))
    return found


def _in_order(node: ast.AST) -> Iterator[ast.AST]:
    yield node
    for child in ast.iter_child_nodes(node):
        yield from _in_order(child)


def samplings(whole: Code) -> list[ast.Call]:
    """Every call that samples from a posterior."""
    return [node for node in whole.nodes if isinstance(node, ast.Call) and _samples(node, whole)]


def _samples(call: ast.Call, whole: Code) -> bool:
    if isinstance(call.func, ast.Attribute) and call.func.attr == "fit":
        receiver = call.func.value
        return not NOT_BAYESIAN.search(ast.unparse(receiver) + " " + _origin(receiver, call, whole))
    return ast.unparse(call.func) in SAMPLERS


def _origin(receiver: ast.expr, call: ast.Call, whole: Code) -> str:
    """What a name was last assigned before the call."""
    values = [
        ast.unparse(node.value)
        for node in whole.nodes[: whole.nodes.index(call)]
        if isinstance(node, ast.Assign)
        and ast.unparse(receiver) in map(ast.unparse, node.targets)
        and node not in whole.ancestors(call)
    ]
    return values[-1] if values else ""


def faults(chapter: str, notebook: Notebook) -> list[str]:
    """What keeps a fit of the chapter from passing the gate."""
    whole = code(chapter, notebook)
    return [
        f"{whole.places[call]}: `{ast.unparse(call)[:80]}` {fault}"
        for call in samplings(whole)
        for fault in _faults(call, whole)
    ]


def _faults(call: ast.Call, whole: Code) -> Iterator[str]:
    if not {"random_seed", "seed"} & {keyword.arg for keyword in call.keywords}:
        yield "states no random_seed="
    if any(isinstance(node, OWN_SCOPE) for node in whole.ancestors(call)):
        yield "stands in a function: fit at the top level of a cell, where the reader sees it"
    elif (name := _assigned_name(call, whole)) is None:
        yield "must be the whole right-hand side of an assignment to a name, to be checked by it"
    elif not any(_covers(check, name, call, whole) for check in _checks(whole)):
        yield f"is not checked: pass the whole of {name} to {CHECK}() before it is assigned anew"


def _assigned_name(call: ast.Call, whole: Code) -> str | None:
    """The name under which the fit is kept: `a`, `a['key']`, or `a` for all values of `a`."""
    keys: list[str] = []
    child: ast.AST = call
    for node in whole.ancestors(call):
        if isinstance(node, ast.Assign | ast.AnnAssign):
            targets = _targets(node)
            return _target(targets, keys) if child is node.value else None
        if not isinstance(node, GATHERED):
            return None
        keys.append(_key(node, child))
        child = node
    return None


def _targets(assignment: ast.Assign | ast.AnnAssign) -> list[ast.expr]:
    return assignment.targets if isinstance(assignment, ast.Assign) else [assignment.target]


def _key(gathered: ast.AST, value: ast.AST) -> str:
    """The constant key of a value in a dict display, else nothing."""
    if isinstance(gathered, ast.Dict) and value in gathered.values:
        key = gathered.keys[gathered.values.index(value)]
        return ast.unparse(key) if isinstance(key, ast.Constant) else ""
    return ""


def _target(targets: list[ast.expr], keys: list[str]) -> str | None:
    if len(targets) != 1:
        return None
    target = targets[0]
    if isinstance(target, ast.Name):
        return f"{target.id}[{keys[0]}]" if len(keys) == 1 and keys[0] else target.id
    if isinstance(target, ast.Subscript) and isinstance(target.value, ast.Name) and not keys:
        constant = isinstance(target.slice, ast.Constant)
        return ast.unparse(target) if constant else target.value.id
    return None


def _checks(whole: Code) -> list[ast.Call]:
    """The calls of the gate that run whatever happens."""
    return [
        node
        for node in whole.nodes
        if isinstance(node, ast.Call)
        and ast.unparse(node.func).split(".")[-1] == CHECK
        and all(isinstance(outer, ALWAYS_RUN) for outer in whole.ancestors(node))
    ]


def _covers(check: ast.Call, name: str, fit: ast.Call, whole: Code) -> bool:
    """Whether the check sees the fit: after it, all of it, before the name means something else."""
    base = name.split("[")[0]
    begin, end = whole.nodes.index(fit), whole.nodes.index(check)
    anew = any(
        isinstance(node, ast.Name | ast.Subscript)
        and not isinstance(node.ctx, ast.Load)
        and ast.unparse(node) in {base, name}
        and not any(isinstance(outer, COMPREHENSIONS) for outer in whole.ancestors(node))
        for node in whole.nodes[begin:end]
    )
    loop = next((node for node in whole.ancestors(fit) if isinstance(node, REPEATED)), None)
    each_time = (
        loop is None or name == base != _stored(fit, whole) or loop in whole.ancestors(check)
    )
    return begin < end and not anew and each_time and bool({name, base} & _seen(check, whole))


def _stored(fit: ast.Call, whole: Code) -> str:
    """The target of the assignment as written."""
    assignment = next(n for n in whole.ancestors(fit) if isinstance(n, ast.Assign | ast.AnnAssign))
    return ast.unparse(_targets(assignment)[0])


def _seen(check: ast.Call, whole: Code) -> set[str]:
    """The names and items that reach the check, also by way of the loops around it."""
    seen = {name for argument in [*check.args, *check.keywords] for name in _mentioned(argument)}
    for target, iterated in _loops(check, whole):
        items = _mentioned(iterated)
        if any(isinstance(n, ast.Name) and n.id in seen for n in ast.walk(target)):
            seen |= items
        seen |= {item for item in items if f"{item}[{ast.unparse(target)}]" in seen}
    return seen


def _loops(node: ast.AST, whole: Code) -> Iterator[tuple[ast.expr, ast.expr]]:
    """Targets and iterables of the loops around a node that leave nothing out."""
    for outer in whole.ancestors(node):
        if isinstance(outer, ast.For):
            if not any(isinstance(n, ast.Break | ast.Continue) for n in ast.walk(outer)):
                yield outer.target, outer.iter
        elif isinstance(outer, ast.DictComp | ast.ListComp):
            for part in reversed(outer.generators):
                if not part.ifs:
                    yield part.target, part.iter


def _mentioned(node: ast.AST) -> set[str]:
    """Names and items that an expression hands on whole."""
    if isinstance(node, ast.Name | ast.Subscript):
        return {ast.unparse(node)}
    if isinstance(node, ast.Attribute):
        return _mentioned(node.value) if node.attr in {"items", "values"} else set()
    if isinstance(node, ast.Call | ast.Tuple | ast.List | ast.Dict | ast.Starred | ast.keyword):
        return {name for child in ast.iter_child_nodes(node) for name in _mentioned(child)}
    return set()
