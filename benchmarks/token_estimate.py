# ruff: noqa: RUF001 (other scripts have letters that look like Latin ones)
"""Compares the estimate of tokens, on which the dry run, the budget and the pace rest, with what tokenizers count.

    python benchmarks/token_estimate.py [--tokenizer FILE.json ...]      less than a minute

The tokenizer that is always there is BERT's (uncased, bundled with `minilm`); others are given as files of the library `tokenizers`, such
as the two in the wheel of litellm, litellm/litellm_core_utils/tokenizers/{anthropic,deepseek}_tokenizer.json. Collections: the embedded
example, passages of MS MARCO (the documents of TREC DL 2019), Vaswani, this package's own source, and the first article of the Universal
Declaration of Human Rights in other scripts. Each is compared as a whole.
"""

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path

from figures import ROOT, Figure, need_collection, report
from tokenizers import Tokenizer

from rerank_eval.calls.token_estimate import estimate_tokens
from rerank_eval.datasets.beir_dir import load_beir_dir
from rerank_eval.datasets.helpdesk import load_helpdesk
from rerank_eval.models.onnx_models import bundled_model
from rerank_eval.types import Dataset

ENGLISH_PERCENT, OTHER_SCRIPTS_FACTOR = 10.0, 2.2
"""What `ESTIMATE_ACCURACY` says; 2.2 is about two."""
ARTICLE_1 = {
    "Greek": "Όλοι οι άνθρωποι γεννιούνται ελεύθεροι και ίσοι στην αξιοπρέπεια και τα δικαιώματα. Είναι προικισμένοι με λογική και "
    "συνείδηση, και οφείλουν να συμπεριφέρονται μεταξύ τους με πνεύμα αδελφοσύνης.",
    "Russian": "Все люди рождаются свободными и равными в своем достоинстве и правах. Они наделены разумом и совестью и должны поступать "
    "в отношении друг друга в духе братства.",
    "Arabic": "يولد جميع الناس أحرارا متساوين في الكرامة والحقوق. وقد وهبوا عقلا وضميرا وعليهم أن يعامل بعضهم بعضا بروح الإخاء.",
    "Hindi": "सभी मनुष्यों को गौरव और अधिकारों के मामले में जन्मजात स्वतन्त्रता और समानता प्राप्त है। उन्हें बुद्धि और अन्तरात्मा की देन प्राप्त है और परस्पर उन्हें "
    "भाईचारे के भाव से बर्ताव करना चाहिए।",
    "Chinese": "人人生而自由,在尊严和权利上一律平等。他们赋有理性和良心,并应以兄弟关系的精神相对待。",
    "Japanese": "すべての人間は、生まれながらにして自由であり、かつ、尊厳と権利とについて平等である。人間は、理性と良心とを授けられており、互いに同胞の精神をもって行動しなければならない。",
}


def main() -> None:
    parser = argparse.ArgumentParser(description="How far estimated tokens are from counted ones.")
    parser.add_argument("--tokenizer", type=Path, nargs="+", default=[], help="tokenizer.json files")
    files = [bundled_model("reranker_en") / "tokenizer.json", *parser.parse_args().tokenizer]
    collections: Mapping[str, Sequence[str]] = {
        "helpdesk": texts(load_helpdesk()),
        **{name: texts(load_beir_dir(str(need_collection(name)))) for name in ("trec-dl-2019", "vaswani")},
        "source code": [path.read_text(encoding="utf-8") for path in sorted((ROOT / "rerank_eval").rglob("*.py"))],
        **{name: [text] for name, text in ARTICLE_1.items()},
    }
    figures = []
    for file in files:
        tokenizer = Tokenizer.from_file(str(file))
        tokenizer.no_padding()
        tokenizer.no_truncation()
        for name, documents in collections.items():
            counted = sum(len(found) for found in tokenizer.encode_batch(documents, add_special_tokens=False))
            ratio = sum(map(estimate_tokens, documents)) / counted
            what = f"{name}: {file.stem if file.stem != 'tokenizer' else 'BERT'}, {'more' if ratio > 1 else 'fewer'}"
            if name in ARTICLE_1:
                figures.append(Figure(what, max(ratio, 1 / ratio), "times", OTHER_SCRIPTS_FACTOR))
            else:
                figures.append(Figure(what, 100 * abs(ratio - 1), "%", ENGLISH_PERCENT))
    report(figures)


def texts(dataset: Dataset) -> list[str]:
    return [dataset.corpus.text(doc_id) for doc_id in dataset.corpus.doc_ids]


if __name__ == "__main__":
    main()
