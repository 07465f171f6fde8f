"""Second stages, one module each; chosen by `conf/reranker/*.yaml`."""
