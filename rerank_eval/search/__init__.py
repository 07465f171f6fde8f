"""Nearest vectors: corpora and queries as vectors kept on disk, searched exactly or by an index."""
