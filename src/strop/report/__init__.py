"""Tell it: the table on the terminal and the page in the browser.

table    gap_table, notes: one or more documents of the JSON contract, in 80 columns
page     build_page: one self-contained HTML file
cost     what each stage spent, for both
rows     numbers in words, shared by both        reader, figures    the page's problems and charts
"""

from strop.report.cost import cost_table
from strop.report.page import build_page
from strop.report.reader import ReportRun
from strop.report.table import gap_table, notes

__all__ = ["ReportRun", "build_page", "cost_table", "gap_table", "notes"]
