"""Models that run on this machine, by ONNX or torch: found, checked and loaded."""
