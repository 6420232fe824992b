"""Reports: the tables on the terminal, the page in the browser, the view in a notebook.

Everything here reads JSON documents (and, for the page, the tables of run folders).

words       formatting, gap_rows, gap_notes, cost, round_cost
terminal    table (gap), verdict, rounds (improve), sharpening, model_tables (cross, scale, plan)
page        page (one self-contained HTML file), reader and flags (problems and responses), blocks
chapters    gap_chapter, headline, extra_tables; improve_chapter, sharpen_chapter, cross_chapter;
            chapters (which one for which command), comparison (runs side by side)
charts      marks (estimates as points), charts and figures (Vega-Lite), chart_words
notebook    notebook
"""

from strop.report.cost import cost_table
from strop.report.page import build_page
from strop.report.reader import CommandResult, ReportRun
from strop.report.table import gap_table, notes

__all__ = ["CommandResult", "ReportRun", "build_page", "cost_table", "gap_table", "notes"]
