"""The code that studies share: runs, courses, fits, costs, figures and pages."""
