"""Shows what it costs in nDCG@10 to show a reranker only the beginning of each document, as language models mostly are shown them.

    python benchmarks/cut_documents.py [--characters 100 200 400]      about 5 minutes on 2 idle cores

`minilm` over BM25's top 100 of TREC DL 2019 and 2020, with whole documents and cut to so many characters.
"""

import argparse

from figures import Figure, need_collection, report

from rerank_eval import LatencySettings, Settings, evaluate
from rerank_eval.datasets.beir_dir import load_beir_dir
from rerank_eval.rerankers.minilm import MiniLM
from rerank_eval.retrievers.run_file import RunFile
from rerank_eval.types import Request, Scores

MEASURE = "nDCG@10"


class CutDocuments:
    """MiniLM that sees only the first characters of each document."""

    pointwise = True

    def __init__(self, model: MiniLM, characters: int | None) -> None:
        """Take the model and the number of characters; None shows all of them."""
        self.name = f"{characters or 'all'}_characters"
        self.concurrency = model.concurrency
        self._model, self._characters = model, characters

    def score(self, request: Request) -> Scores:
        """Return the model's scores of the beginnings."""
        documents = [document._replace(text=document.text[: self._characters]) for document in request.documents]
        return self._model.score(request._replace(documents=tuple(documents)))


def main() -> None:
    parser = argparse.ArgumentParser(description="What it costs to show only the beginning of each document.")
    parser.add_argument("--characters", type=int, nargs="+", default=[100, 200, 400])
    lengths = [None, *sorted(parser.parse_args().characters, reverse=True)]
    settings = Settings(depths=[100], measures=[MEASURE], latency=LatencySettings(queries=0))
    model = MiniLM()
    figures = []
    for collection in ("trec-dl-2019", "trec-dl-2020"):
        folder = need_collection(collection)
        result = evaluate(
            load_beir_dir(str(folder), relevance_level=2),
            RunFile(str(folder / "runs" / "bm25.top100.trec")),
            [CutDocuments(model, characters) for characters in lengths],
            settings,
        )
        for system in result.systems:
            mean = system.depths[-1].measures[MEASURE].mean
            figures.append(Figure(f"{collection}: {system.name}", float("nan") if mean is None else mean, MEASURE))
    report(figures)


if __name__ == "__main__":
    main()
