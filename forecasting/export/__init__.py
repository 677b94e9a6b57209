"""Export of fitted models to one ONNX graph. Only training needs it."""
