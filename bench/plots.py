"""Plots. matplotlib, of the extra `bench`, is only imported when one is drawn or written."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Plot: TypeAlias = "Figure"

# The same figures make the same file, and its texts can be searched.
_SVG: Any = {"svg.hashsalt": "bench", "svg.fonttype": "none"}


def new_plot(width: float, height: float, **options: Any) -> Plot:
    """An empty one, in inches."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), **options)


def write(plots: Mapping[str, Plot], directory: Path) -> None:
    """NAME.svg for each, in place of all that were there."""
    import matplotlib as mpl

    directory.mkdir(parents=True, exist_ok=True)
    for old in directory.glob("*.svg"):
        old.unlink()
    with mpl.rc_context(_SVG):
        for name, plot in plots.items():
            plot.savefig(directory / f"{name}.svg", metadata={"Date": None}, bbox_inches="tight")
