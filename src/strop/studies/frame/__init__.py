"""What studies share: shared runs and courses, costs, figures, pages."""
