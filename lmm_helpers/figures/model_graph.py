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
        each visit, stand together on a plate that says how many there are.

    Notes
    -----
    Bambi samples group effects by way of standardised offsets. They are details
    of computation and are left out. Source: ``pymc.model_to_networkx``.

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
    if ax is None:
        _, ax = plt.subplots(figsize=(9, 5.2))
    places = _places(graph)
    boxes = {
        name: ax.text(
            *places[name],
            f"{name}\n{law}",
            ha="center",
            va="center",
            fontsize=10,
            bbox={
                "boxstyle": f"{'square' if law == 'computed' else 'round'},pad=0.5",
                "facecolor": "#cfe3f1" if name == model.response_term.name else "white",
                "edgecolor": "black",
            },
        )
        for name, law in graph.nodes(data="law")
    }
    for parent, child in graph.edges:
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
    _draw_plates(ax, graph, places)
    ax.set(xlim=(-0.08, 1.08), ylim=(-0.75, 3.4))
    ax.set_axis_off()
    return ax


def _without_offsets(graph: nx.DiGraph) -> nx.DiGraph:
    """Name each variable's law in plain words; a group effect has that of its offset."""
    laws = {name: label.split("\n")[-1] for name, label in graph.nodes(data="label")}
    words = {"Deterministic": "computed", "Halfnormal": "HalfNormal"}
    offsets = [name for name in graph if name.endswith("_offset")]
    for name in graph:
        law = laws.get(f"{name}_offset", laws[name])
        graph.nodes[name]["law"] = words.get(law, law)
    graph.remove_nodes_from(offsets)
    return graph


def _places(graph: nx.DiGraph) -> Places:
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
    parent = next(iter(graph.predecessors(observed)))
    for name in graph.predecessors(observed):
        parent = name if "cluster" in graph.nodes[name] else parent
    return places | {observed: (places[parent][0], 0.0)}


def _draw_plates(ax: Axes, graph: nx.DiGraph, places: Places) -> None:
    """Frame the variables that exist once for each group or visit, and say how many."""
    plates: dict[str, list[tuple[float, float]]] = {}
    for name, cluster in graph.nodes(data="cluster"):
        if cluster:
            plates.setdefault(cluster.removeprefix("cluster"), []).append(places[name])
    for plate, members in plates.items():
        dimension, size = plate.rstrip(")").split(" (")
        unit = "visits" if dimension == "__obs__" else dimension.split("__")[0]
        xs, ys = zip(*members, strict=True)
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
        label = f"{size} {unit}" if unit == "visits" else f"once for each {unit} ({size})"
        ax.text(max(xs) + 0.13, bottom + 0.05, label, color="0.35", fontsize=9, ha="right")
