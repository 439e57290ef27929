"""Pictures and tables of plain data: frames and arrays in, figures and terminal tables out."""

from issun.show.curves import curves_figure, sparkline
from issun.show.frontier import frontier_figure
from issun.show.style import save_figure

__all__ = ["curves_figure", "frontier_figure", "save_figure", "sparkline"]
