"""Answers from reranked context: asked, compared with reference answers, and timed as the last step of the chain."""
