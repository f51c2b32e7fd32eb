"""From and to other programs: older scripts' folders, datasets, ONNX."""
