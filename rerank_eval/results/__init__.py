"""What an evaluation found: its types, its files, written, checked and read again, and whether two of them can be compared."""
