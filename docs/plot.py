"""Draws quality against latency from a result folder: python docs/plot.py RESULT OUT.svg [MEASURE]."""

import json
import sys
from pathlib import Path

import matplotlib.pyplot as plt


def draw(result: Path, out: Path, measure: str) -> None:
    """Write one line per system with its depths as marks; x is the p50 of first stage and reranker together."""
    plt.rcParams.update({"svg.hashsalt": "rerank_eval", "text.parse_math": False})
    found = json.loads((result / "result.json").read_text(encoding="utf-8"))
    figure, axes = plt.subplots(figsize=(7, 4), layout="constrained")
    for system, marker in zip(found["systems"], "osD^vP*X" * 10, strict=False):
        points = [depth for depth in system["depths"][1:] if depth["total_latency"] or depth["latency"]]
        x = [(depth["total_latency"] or depth["latency"])["p50_ms"] for depth in points]
        means = [depth["measures"][measure] for depth in points]
        y = [mean["mean"] for mean in means]
        errors = [[mean["mean"] - mean["low"] for mean in means], [mean["high"] - mean["mean"] for mean in means]]
        axes.errorbar(x, y, yerr=errors, marker=marker, capsize=3, label=system["name"])
        for depth, left, height in zip(points, x, y, strict=True):
            axes.annotate(str(depth["depth"]), (left, height), xytext=(5, 5), textcoords="offset points", fontsize=8)
    axes.set(xscale="log", xlabel="latency per query, p50, ms (log)", ylabel=f"{measure}, 95% interval")
    axes.set_title(f"{found['dataset']['name']}: {measure} against latency; numbers are depths")
    axes.grid(alpha=0.3)
    axes.legend()
    figure.savefig(out, metadata={"Date": None} if out.suffix == ".svg" else None)


if __name__ == "__main__":
    draw(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3] if len(sys.argv) > 3 else "nDCG@10")
