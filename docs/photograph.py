"""Makes the report of a study and photographs it: `python docs/photograph.py STUDY.sqlite…`

Writes `NAME.html` beside each study and `docs/images/studies/NAME-report.png`. The images of the data are looked for where they were, or
in the folder that ISSUN_DATA names. Needs Chromium and Playwright (the extra `test`).
"""

from __future__ import annotations

import argparse
import shutil
import sys
from pathlib import Path

try:
    from playwright.sync_api import sync_playwright
except ImportError as error:
    sys.exit(f"photograph.py needs Playwright ({error}): pip install playwright")

from issun import IssunError, Study
from issun.webpage import content, write_page
from issun.webpage import page as page_of

PICTURES = Path(__file__).resolve().parent / "images" / "studies"

#: The window, and how much smaller the picture is.
WIDTH, HEIGHT, SCALE = 1360, 880, 0.65


def main() -> int:
    """Photograph the studies that the command line names."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("studies", nargs="+", type=Path, metavar="STUDY")
    parser.add_argument("--output", type=Path, default=PICTURES, help="the folder of the pictures")
    parser.add_argument("--dark", action="store_true")
    arguments = parser.parse_args()
    found = next((path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))), None)
    if found is None:
        print("photograph.py: no Chromium here", file=sys.stderr)
        return 1
    try:
        studies = [Study(path) for path in arguments.studies]
    except IssunError as error:
        print(f"photograph.py: {error}", file=sys.stderr)
        return 1
    arguments.output.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=found, args=["--no-sandbox", "--disable-gpu"])
        scheme = "dark" if arguments.dark else "light"
        for path, study in zip(arguments.studies, studies, strict=True):
            place = path.with_suffix(".html")
            size = write_page(page_of(content([study])), place)
            window = browser.new_context(
                viewport={"width": WIDTH, "height": HEIGHT}, device_scale_factor=SCALE, color_scheme=scheme, reduced_motion="reduce"
            )
            page = window.new_page()
            page.goto(place.resolve().as_uri())
            page.wait_for_timeout(1500)  # the network runs on its first sample
            picture = arguments.output / f"{path.stem}-report.png"
            page.screenshot(path=picture)
            window.close()
            print(f"{place.name} ({size / 1e6:.2f} MB), {picture.name}")
        browser.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
