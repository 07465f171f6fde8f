"""`python -m rerank_eval`."""

from rerank_eval.cli import main

main()
