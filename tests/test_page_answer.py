"""Does the page say what Python says, and does its answer follow what is asked?"""

from __future__ import annotations

import random
from types import SimpleNamespace
from typing import Any

import pytest

from browser import opened, words
from issun.errors import SelectionError
from issun.study import Entry
from issun.study.frontier import best, default_target, frontier, smallest
from report_cases import Report, made_up, network, written


def _entries(records: list[dict[str, Any]]) -> list[Entry]:
    """Return networks of which mean, bound and failures are as the records say."""

    def made(record: dict[str, Any]) -> Any:
        sizes = {
            size: record[size]
            for size in ("parameters", "macs", "bytes", "seconds", "diverged", "beats_guessing", "independent", "network")
        }
        return SimpleNamespace(
            **{
                **sizes,
                "id": record["id"],
                "title": record["network"],
                "val_accuracy_mean": record["validation"]["mean"],
                "val_accuracy_lower95": record["validation"]["low"],
            },
            ended_well=record["diverged"] < record["validation"]["n"],
            seeds=record["validation"]["n"],
            guessing=0.5,
            validation_images=100,
            confirms=False,
            dependence="" if record["independent"] else "its teacher had other validation images",
        )

    return [made(record) for record in records]


def _alike(draw: random.Random) -> dict[str, Any]:
    """Return a network that ties with others in size, in accuracy, in both; some diverged."""
    record = network(draw, 0)
    mean = draw.choice((0.5, 0.61, 0.62, 0.7, 0.9))
    record |= {"parameters": draw.randint(1, 6), "macs": draw.randint(1, 3), "network": f"conv {draw.randint(1, 4)}"}
    record |= {"diverged": draw.choice((0, 0, 0, 1, 2)), "beats_guessing": draw.choice((True, True, False))}
    record["independent"] = draw.choice((True, True, True, False))
    record["validation"] |= {"mean": mean, "low": round(mean - draw.choice((0.01, 0.2)), 6)}
    return record


def _chosen(choose: Any) -> Any:
    try:
        return choose().id
    except SelectionError:
        return None


CHOOSE = """([networks, target, budget]) => {
  const { smallestNetwork, bestNetwork, frontierOf, defaultTarget } = issun["study/choose.js"];
  return {
    default: defaultTarget(networks),
    smallest: smallestNetwork(networks, target)?.id ?? null,
    lower: smallestNetwork(networks, target, { lower: true })?.id ?? null,
    best: bestNetwork(networks, budget)?.id ?? null,
    frontier: frontierOf(networks).map(({ id }) => id),
  };
}"""

TARGET = "issun['study/state.js'].state.target"
BUDGET = "issun['study/state.js'].currentBudget()"


def test_the_page_chooses_as_python_does(chromium: Any, digits_report: Report) -> None:
    draw = random.Random(5)
    with opened(chromium, digits_report.path) as page:
        for round_ in range(60):
            records = [_alike(draw) for _ in range(draw.randint(1, 12))]
            target, budget = draw.choice((0.5, 0.61, 0.7, 0.9, 0.95)), draw.randint(1, 6)
            found = page.evaluate(CHOOSE, [records, target, budget])
            entries = _entries(records)
            assert found["smallest"] == _chosen(lambda: smallest(entries, target)), round_  # noqa: B023
            assert found["lower"] == _chosen(lambda: smallest(entries, target, lower=True)), round_  # noqa: B023
            assert found["best"] == _chosen(lambda: best(entries, {"max_params": budget})), round_  # noqa: B023
            assert found["frontier"] == [entry.id for entry in frontier(entries)], round_
            if found["default"] is not None:
                assert found["default"] == pytest.approx(default_target(entries), abs=2e-6)


def test_the_answer_is_that_of_the_study(chromium: Any, digits_report: Report) -> None:
    study = digits_report.study
    entry = study.smallest()
    ratio = max(other.parameters for other in study.entries) / entry.parameters
    with opened(chromium, digits_report.path) as page:
        said = words(page.locator("#answer"))
    assert f"The smallest network within 1 % of the best has {entry.parameters:,} parameters" in said
    assert ratio == 1 or " of the largest; it reaches" in said
    assert entry.network in said
    assert f"{100 * study.test(entry)[0]:.1f} ±" in said


def test_keys_move_the_target_and_the_answer_follows(chromium: Any, digits_report: Report) -> None:
    with opened(chromium, digits_report.path) as page:
        slider = page.get_by_role("slider", name="Target")
        slider.focus()
        for key in ("Home", "ArrowUp", "PageUp"):
            page.keyboard.press(key)
            asked = float(slider.get_attribute("aria-valuenow")) / 100
            entry = digits_report.study.smallest(asked)
            said = words(page.locator(".sentence"))
            assert f"that reaches {100 * asked:g} % has {entry.parameters:,} parameters" in said, key
        assert slider.evaluate("node => node === document.activeElement"), "the handle keeps the focus while it moves"
        page.get_by_role("button", name="Back to the original question").click()
        assert "within 1 % of the best" in words(page.locator(".sentence"))


def test_the_lines_are_dragged_by_mouse(chromium: Any, digits_report: Report) -> None:
    with opened(chromium, digits_report.path) as page:
        before = words(page.locator(".sentence").first)
        _drag(page, ".handle.target", 0, 150)
        asked = page.evaluate(TARGET)
        entry = digits_report.study.smallest(asked)
        assert words(page.locator(".sentence").first) != before
        assert f"has {entry.parameters:,} parameter" in words(page.locator(".sentence").first)

        _drag(page, ".handle.budget rect", -300, 0)
        budget = page.evaluate(BUDGET)
        entry = digits_report.study.best(max_params=budget)
        assert f"The best with at most {budget:,} parameters reaches" in words(page.locator(".sentence").nth(1))
        assert entry.network in words(page.locator(".sentence").nth(1))
        _drag(page, ".handle.budget rect", 800, 0)
        assert page.evaluate(BUDGET) is None, "at the right end nothing is forbidden"


def _drag(page: Any, what: str, dx: float, dy: float) -> None:
    box = page.locator(what).bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + dx / 2, y + dy / 2)
    page.mouse.move(x + dx, y + dy)
    page.mouse.up()


def test_the_lines_are_dragged_by_finger(chromium: Any, digits_report: Report) -> None:
    with opened(chromium, digits_report.path, width=390, height=844, has_touch=True, is_mobile=True) as page:
        slider = page.locator(".handle.target rect")
        slider.scroll_into_view_if_needed()
        box = slider.bounding_box()
        touch = page.context.new_cdp_session(page)
        x, y = box["x"] + 20, box["y"] + 12
        for kind, points in (
            ("touchStart", [{"x": x, "y": y}]),
            ("touchMove", [{"x": x, "y": y + 60}]),
            ("touchMove", [{"x": x, "y": y + 120}]),
            ("touchEnd", []),
        ):
            touch.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})
        asked = page.evaluate(TARGET)
        assert asked is not None
        entry = digits_report.study.smallest(asked)
        assert f"has {entry.parameters:,} parameter" in words(page.locator(".sentence").first)


@pytest.mark.parametrize(("size", "start"), [("MACs", "The cheapest"), ("Bytes", "The lightest"), ("Seconds", "The quickest")])
def test_other_sizes_ask_the_same_question(chromium: Any, digits_report: Report, size: str, start: str) -> None:
    entries = digits_report.study.entries
    attribute = {"MACs": "macs", "Bytes": "bytes", "Seconds": "seconds"}[size]
    meeting = [entry for entry in entries if entry.val_accuracy_mean >= default_target(entries) - 1e-6]
    cheapest = min(meeting, key=lambda entry: (getattr(entry, attribute), -entry.val_accuracy_mean, entry.parameters))
    with opened(chromium, digits_report.path) as page:
        page.get_by_role("radio", name=size).check()
        said = words(page.locator("#answer"))
        assert start in said
        assert cheapest.network in said


def test_a_family_that_is_switched_off_is_no_answer(chromium: Any, digits_report: Report) -> None:
    entries = digits_report.study.entries
    with opened(chromium, digits_report.path) as page:
        page.get_by_role("button", name="dense k, dense").click()
        rest = [entry for entry in entries if entry.family != "dense k, dense"]
        assert f"{smallest(rest).parameters:,} parameters" in words(page.locator(".sentence"))
        assert "Among the families shown" in words(page.locator("#answer"))
        page.get_by_role("button", name="conv n, pool, dense d, dense").click()
        assert "Every family is hidden" in words(page.locator("#answer"))


def test_what_was_asked_of_the_command_is_asked_first(chromium: Any, tmp_path: Any) -> None:
    said = made_up(30, target=0.8, max_params=3000)
    with opened(chromium, written(said, tmp_path / "asked.html")) as page:
        assert "that reaches 80 %" in words(page.locator(".sentence").first)
        assert "at most 3,000 parameters" in words(page.locator(".sentence").nth(1))
        assert page.get_by_role("button", name="Back to the original question").count() == 0
