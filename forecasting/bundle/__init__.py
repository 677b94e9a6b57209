"""The model artefact that serving loads. Needs NumPy and ONNX Runtime only."""
