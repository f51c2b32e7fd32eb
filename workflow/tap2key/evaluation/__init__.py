"""Models → scores: predictions, metrics, adaptation, the choice on validation."""
