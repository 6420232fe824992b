"""The code that studies share: runs, courses, fits, costs, rows of data, figures and pages."""
