"""`compare` and `baseline`: results -> a verdict. Reads result files, nothing else."""
