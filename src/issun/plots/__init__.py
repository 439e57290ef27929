"""Pictures and tables of plain data: frames and arrays in, figures and terminal tables out.

A function ``draw_…`` draws on the Axes that it is given and returns them; the function ``…_figure`` beside it makes a figure around that.
"""

from issun.plots.bars import bars_figure, draw_bars, draw_shares, shares_figure
from issun.plots.classes import classes_figure, draw_classes
from issun.plots.confusion import confusion_figure, confusions_figure, draw_confusion, draw_pairs
from issun.plots.curves import curves_figure, draw_curves, sparkline
from issun.plots.frontier import draw_frontier, frontier_figure
from issun.plots.gallery import draw_miss, gallery_figure
from issun.plots.heatmap import draw_heatmap, heatmap_figure
from issun.plots.projection import draw_projection, projection_figure
from issun.plots.scatter import draw_scatter, scatter_figure
from issun.plots.style import save_figure

__all__ = [
    "bars_figure",
    "classes_figure",
    "confusion_figure",
    "confusions_figure",
    "curves_figure",
    "draw_bars",
    "draw_classes",
    "draw_confusion",
    "draw_curves",
    "draw_frontier",
    "draw_heatmap",
    "draw_miss",
    "draw_pairs",
    "draw_projection",
    "draw_scatter",
    "draw_shares",
    "frontier_figure",
    "gallery_figure",
    "heatmap_figure",
    "projection_figure",
    "save_figure",
    "scatter_figure",
    "shares_figure",
    "sparkline",
]
