"""`check-data`: what a dataset holds, and what is wrong with it."""
