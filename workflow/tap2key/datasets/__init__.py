"""Taps → encoded datasets, and the folds that are selected from them."""
