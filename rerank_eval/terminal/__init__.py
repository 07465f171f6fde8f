"""What the terminal shows: progress, tables, warnings."""
