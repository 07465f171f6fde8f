"""Calls to a provider's API: retried, paced, paid once, within a budget, and timed without the waiting."""
