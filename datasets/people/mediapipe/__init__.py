"""Joints and mask of a standing person from Google's MediaPipe networks, run with onnxruntime."""
