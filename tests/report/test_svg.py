"""What is cut from an SVG must not be seen."""

import re

from rerank_eval.report.depth_plots import draw_quality_depth
from rerank_eval.report.svg import to_svg
from tests.report.examples import MEASURES, make_report


def test_glyphs_keep_their_scale() -> None:
    """Guards text at two thirds of its size: 1/64 cut to two decimals is 1/100."""
    plot = draw_quality_depth(make_report().datasets[0], MEASURES[0])
    assert plot is not None
    scales = {float(found) for found in re.findall(r"scale\(([\d.]+)\)", to_svg(plot, text_as_paths=True))}
    assert 0.015625 in scales
