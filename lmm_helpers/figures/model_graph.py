"""A picture of a model: what is drawn from what, drawn without any program outside Python."""

import bambi as bmb
import matplotlib.pyplot as plt
import networkx as nx
import pymc as pm
from matplotlib.axes import Axes
from matplotlib.patches import FancyBboxPatch

Places = dict[str, tuple[float, float]]


def plot_model_graph(model: bmb.Model, *, ax: Axes | None = None) -> Axes:
    """Draw a Bambi model as a graph, from the population at the top to the visits below.

    Parameters
    ----------
    model
        A Bambi model with at most one grouping factor; it is built if it is not yet.
    ax
        Where to draw; a new figure if not given.

    Returns
    -------
    matplotlib.axes.Axes
        One box a variable. Arrows lead from a parameter to what depends on it, and the
        observed variable is filled. Variables that exist once for each group, or once for
        each visit, stand together on a plate that says how many there are; ``× 2`` behind a law
        stands for two variables, such as a factor with three levels has.

    Notes
    -----
    Bambi samples group effects by way of standardised offsets. They are details
    of computation and are left out. Source: ``pymc.model_to_networkx``.

    See Also
    --------
    candidate_models : The models of the book.

    Examples
    --------
    >>> from lmm_helpers import candidate_models, load_bounce
    >>> model = candidate_models(load_bounce())["varying intercept"]
    >>> ax = plot_model_graph(model)
    >>> [text.get_text() for text in ax.texts][-2:]
    ['once for each county (8)', '613 visits']
    """
    if not model.built:
        model.build()
    graph = _without_offsets(pm.model_to_networkx(model.backend.model))
    plates = _plates(model.backend.model, graph)
    many = _multiples(model.backend.model, graph)
    if ax is None:
        _, ax = plt.subplots(figsize=(9, 5.2))
    places = _places(graph, plates)
    boxes = {
        name: ax.text(
            *places[name],
            f"{name}\n{law}{many[name]}",
            ha="center",
            va="center",
            fontsize=10,
            bbox={
                "boxstyle": f"{'square' if law == 'computed' else 'round'},pad=0.5",
                "facecolor": "#cfe3f1" if name == model.response_term.name else "white",
                "edgecolor": "black",
            },
        )
        for name, law in sorted(graph.nodes(data="law"))  # of a set, in chance order
    }
    for parent, child in sorted(graph.edges):
        ax.annotate(
            "",
            xy=places[child],
            xytext=places[parent],
            arrowprops={
                "arrowstyle": "-|>",
                "color": "0.35",
                "patchA": boxes[parent].get_bbox_patch(),
                "patchB": boxes[child].get_bbox_patch(),
            },
            zorder=4,
        )
    _draw_plates(ax, plates, places)
    ax.set(xlim=(-0.08, 1.08), ylim=(-0.75, 3.4))
    ax.set_axis_off()
    return ax


def _without_offsets(graph: nx.DiGraph) -> nx.DiGraph:
    """Name each variable's law in plain words; a group effect has that of its offset."""
    laws = {name: label.split("\n")[-1] for name, label in graph.nodes(data="label")}
    words = {
        "Deterministic": "computed",
        "Halfnormal": "HalfNormal",
        "Halfstudentt": "HalfStudentT",
    }
    offsets = [f"{name}_offset" for name in graph if "|" in name and f"{name}_offset" in graph]
    for name in graph:
        law = laws.get(f"{name}_offset", laws[name])
        graph.nodes[name]["law"] = words.get(law, law)
    graph.remove_nodes_from(offsets)
    return graph


def _plates(model: pm.Model, graph: nx.DiGraph) -> dict[str, list[str]]:
    """Name the variables that exist once for each group or visit, plate by plate."""
    plates: dict[str, list[str]] = {}
    for name in graph:
        for dim in model.named_vars_to_dims.get(name, ()):
            size = model.dim_lengths[dim].eval()
            if dim == "__obs__":
                plates.setdefault(f"{size} visits", []).append(name)
            elif dim.endswith("__factor_dim"):
                group = dim.removesuffix("__factor_dim")
                plates.setdefault(f"once for each {group} ({size})", []).append(name)
    return plates


def _multiples(model: pm.Model, graph: nx.DiGraph) -> dict[str, str]:
    """Say of how many variables a box consists, apart from plates, as a factor's levels."""
    many = {}
    for name in graph:
        dims = model.named_vars_to_dims.get(name, ())
        own = [dim for dim in dims if dim != "__obs__" and not dim.endswith("__factor_dim")]
        many[name] = "".join(f" × {model.dim_lengths[dim].eval()}" for dim in own)
    return many


def _places(graph: nx.DiGraph, plates: dict[str, list[str]]) -> Places:
    """Put each variable above what depends on it, side by side with those at its height."""
    (observed,) = (name for name in graph if graph.out_degree(name) == 0)
    height = {
        name: max(len(path) - 1 for path in nx.all_simple_paths(graph, name, observed))
        for name in graph
        if name != observed
    }
    rows: dict[int, list[str]] = {}
    for name in sorted(height, key=lambda name: ("|" in name, name == "sigma", name)):
        rows.setdefault(height[name], []).append(name)
    places = {
        name: ((place + 0.5) / len(row), float(level))
        for level, row in rows.items()
        for place, name in enumerate(row)
    }
    parents = list(graph.predecessors(observed))
    on_a_plate = [name for name in parents if any(name in plate for plate in plates.values())]
    return places | {observed: (places[(on_a_plate or parents)[-1]][0], 0.0)}


def _draw_plates(ax: Axes, plates: dict[str, list[str]], places: Places) -> None:
    """Frame the variables of each plate, and say how often they exist."""
    for label, members in plates.items():
        xs, ys = zip(*(places[name] for name in members), strict=True)
        left, bottom = min(xs) - 0.14, min(ys) - 0.45
        frame = FancyBboxPatch(
            (left, bottom),
            max(xs) + 0.14 - left,
            max(ys) + 0.4 - bottom,
            boxstyle="round,pad=0,rounding_size=0.03",
            facecolor="none",
            edgecolor="0.6",
            mutation_aspect=4,
        )
        ax.add_patch(frame)
        ax.text(max(xs) + 0.13, bottom + 0.05, label, color="0.35", fontsize=9, ha="right")
