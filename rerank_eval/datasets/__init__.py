"""Sources of test collections, one module each; chosen by `conf/dataset/*.yaml`."""
