"""The report: studies as one page that explains itself. `content` says what is in it, `page` makes it one file."""

from issun.report.content import content

__all__ = ["content"]
