"""The depths beside the marks of a plot."""

from matplotlib.figure import Figure

from rerank_eval.report.depth_labels import DepthLabel, write_depths


def written(*labels: DepthLabel) -> list[str]:
    axes = Figure(figsize=(5, 4)).add_subplot()
    axes.set_xlim(0, 100)
    axes.set_ylim(0, 1)
    write_depths(axes, labels, [], 5, 4)
    return [text.get_text() for text in axes.texts]


def test_marks_that_lie_on_each_other_have_one_label() -> None:
    """Guards `none`, whose depths all have the first stage's quality and latency."""
    same = [DepthLabel(10 + depth / 100, 0.5, depth, False, 0) for depth in (5, 10, 30)]
    assert written(*same) == ["5-30"]
    assert written(*same, DepthLabel(60, 0.5, 50, False, 0), DepthLabel(60, 0.9, 50, False, 1)) == ["5-30", "50", "50"]


def test_marks_of_different_systems_keep_their_own_labels() -> None:
    assert sorted(written(DepthLabel(50, 0.5, 5, False, 0), DepthLabel(51, 0.5, 20, True, 1))) == ["20", "5"]


def test_a_depth_that_lies_elsewhere_is_in_no_range() -> None:
    assert written(*(DepthLabel(x, 0.5, depth, False, 0) for depth, x in ((5, 10), (10, 60), (30, 10)))) == [
        "5",
        "10",
        "30",
    ]
