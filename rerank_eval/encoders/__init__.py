"""What turns texts into vectors for the first stages; one module per backend."""
