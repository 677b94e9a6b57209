"""The model artefact for serving: graph, manifest and golden vectors.

Needs only NumPy and ONNX Runtime.
"""
