"""Draws quality against latency from a result folder: python docs/plot.py RESULT OUT.svg [SYSTEM ...]."""

import json
import sys
from collections.abc import Sequence
from pathlib import Path

import matplotlib.pyplot as plt
from matplotlib.ticker import ScalarFormatter


def draw(result: Path, out: Path, systems: Sequence[str], measure: str = "nDCG@10") -> None:
    """Write one line per system, all or those named, its depths as marks, and the first stage as a dashed line."""
    plt.rcParams.update({"svg.hashsalt": "rerank_eval", "text.parse_math": False})
    found = json.loads((result / "result.json").read_text(encoding="utf-8"))
    figure, axes = plt.subplots(figsize=(7, 4), layout="constrained")
    chosen = [system for system in found["systems"] if not systems or system["name"] in systems]
    for system, marker in zip(chosen, "osD^vP*X" * 10, strict=False):
        points = [depth for depth in system["depths"][1:] if depth["latency"]]
        x = [depth["latency"]["p50_ms"] for depth in points]
        means = [depth["measures"][measure] for depth in points]
        y = [mean["mean"] for mean in means]
        errors = [[mean["mean"] - mean["low"] for mean in means], [mean["high"] - mean["mean"] for mean in means]]
        axes.errorbar(x, y, yerr=errors, marker=marker, capsize=3, label=system["name"])
        for depth, left, height in zip(points, x, y, strict=True):
            axes.annotate(str(depth["depth"]), (left, height), xytext=(5, 5), textcoords="offset points", fontsize=8)
    first_stage = found["systems"][0]["depths"][0]["measures"][measure]["mean"]
    axes.axhline(first_stage, linestyle="--", color="grey", label=f"{found['retriever']['name']} alone")
    axes.set(xscale="log", xlabel="latency of the reranker per query, p50, ms (log)", ylabel=f"{measure}, 95% interval")
    for set_formatter in (axes.xaxis.set_major_formatter, axes.xaxis.set_minor_formatter):
        set_formatter(ScalarFormatter())
    axes.set_title(f"{found['dataset']['name']}: {measure} against latency; the numbers are depths")
    axes.grid(alpha=0.3, which="both")
    axes.legend(loc="lower right")
    figure.savefig(out, metadata={"Date": None} if out.suffix == ".svg" else None)


if __name__ == "__main__":
    draw(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3:])
