"""Writes all outputs of tfrec: each appears in one step, and never replaces files of others."""

from tfrec.publish.claims import check_claim, claiming
from tfrec.publish.contents import FolderKind
from tfrec.publish.files import (
    check_file,
    marked_schema,
    replacing,
    write_json,
    write_page,
    write_picture,
    write_table,
    write_text,
    writing,
)
from tfrec.publish.folders import LAST_VERSION, check_folder, next_version, publishing, take_version
from tfrec.publish.locks import holding
from tfrec.publish.workplaces import clear_stale

__all__ = [
    "LAST_VERSION",
    "FolderKind",
    "check_claim",
    "check_file",
    "check_folder",
    "claiming",
    "clear_stale",
    "holding",
    "marked_schema",
    "next_version",
    "publishing",
    "replacing",
    "take_version",
    "write_json",
    "write_page",
    "write_picture",
    "write_table",
    "write_text",
    "writing",
]
