"""Models → scores: predictions, metrics, significance, adaptation, the choice on validation."""
