"""From fitted models to one ONNX graph. Training only."""
