"""The published and reference figures that tests hold runs to, from rerank_eval/conformance/figures.yaml."""

from rerank_eval.conformance.figures import FIRST_STAGE, read_conformance


def figures_of(configuration: str, system: str = FIRST_STAGE, depth: int = 0) -> dict[str, float]:
    """Return the means by measure, each by the source named first; `configuration` is GROUP/NAME."""
    (figures,) = (found.figures for found in read_conformance() if found.full_name == configuration)
    means: dict[str, float] = {}
    for figure in figures:
        if (figure.system, figure.depth) == (system, depth):
            means.setdefault(figure.measure, figure.value)
    assert means, f"{configuration} has no figure of {system} at depth {depth}"
    return means
