"""Renders the findings of every analysis as one page for marketing: `study_shop`, then `render_report`."""

from tfrec.pages.extra import check_extra
from tfrec.report.findings import Findings, study_shop, whole_log
from tfrec.report.page import render_report

__all__ = ["Findings", "check_extra", "render_report", "study_shop", "whole_log"]
