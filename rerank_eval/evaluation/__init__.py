"""One evaluation: its parts opened and asked, and what came of it aggregated, explained and bounded."""
