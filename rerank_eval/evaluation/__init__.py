"""One evaluation: how its systems are asked, and what came of it aggregated, explained and bounded."""
