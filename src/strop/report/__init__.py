"""Tell it: the table on the terminal and the page in the browser.

table    gap_table, notes: one or more documents of the JSON contract, in 80 columns
page     build_page: one self-contained HTML file
cost     what each stage spent, for both
rows     numbers in words, shared by both        reader                   the page's problems and responses
blocks   what a page is made of                  gap_chapter, headline    what is told of a run of strop gap
charts, figures    Vega-Lite                     stories                  what is told of sharpen, improve and cross
"""

from strop.report.cost import cost_table
from strop.report.page import build_page
from strop.report.reader import CommandResult, ReportRun
from strop.report.table import gap_table, notes

__all__ = ["CommandResult", "ReportRun", "build_page", "cost_table", "gap_table", "notes"]
