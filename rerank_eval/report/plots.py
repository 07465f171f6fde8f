"""The figures of a report, in one place. Each `draw_…` returns None where there is nothing to draw."""

from rerank_eval.report.canvas import Plot
from rerank_eval.report.depth_plots import draw_latency, draw_quality_depth
from rerank_eval.report.difference_plots import draw_differences, draw_losses
from rerank_eval.report.svg import to_inline_svg, to_png, to_svg
from rerank_eval.report.tradeoff_plots import draw_cost, draw_quality_latency

__all__ = [
    "Plot",
    "draw_cost",
    "draw_differences",
    "draw_latency",
    "draw_losses",
    "draw_quality_depth",
    "draw_quality_latency",
    "to_inline_svg",
    "to_png",
    "to_svg",
]
