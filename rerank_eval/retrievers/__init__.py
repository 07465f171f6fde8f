"""First stages, one module each; chosen by `conf/retriever/*.yaml`."""
