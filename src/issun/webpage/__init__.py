"""The report: studies as one page that explains itself. `content` says what is in it, `page` makes it one file, `serve` shows it live."""

from issun.webpage.content import content
from issun.webpage.one_file import page, write_page

__all__ = ["content", "page", "write_page"]
