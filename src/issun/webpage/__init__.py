"""The report: studies as one page that explains itself. `content` says what is in it, `page` makes it one file, `serve` shows it live."""

from issun.pages.one_file import page, write_page
from issun.webpage.content import content

__all__ = ["content", "page", "write_page"]
