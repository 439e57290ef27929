"""`issun bench`: how fast does this machine train, how much of it is used, and how do Keras and PyTorch compare here?"""

from __future__ import annotations

from typing import Annotated, Any

import typer

from issun.cli import options, values


def bench(
    networks: Annotated[
        list[str] | None, typer.Argument(metavar="[NETWORK]…", help="Networks without knobs; default: a table of usual ones.")
    ] = None,
    input: Annotated[str, typer.Option("--input", help="Images of the given networks, height first: 28x28x1.")] = "28x28x1",
    batch_size: Annotated[int, typer.Option("--batch-size", min=1, help="Images of one step, for the given networks.")] = 128,
    images: Annotated[int | None, typer.Option("--images", min=1, help="Of one epoch; default: what takes about a second.")] = None,
    predict: Annotated[bool, typer.Option("--predict", help="Time inference instead of training.")] = False,
    layers: Annotated[bool, typer.Option("--layers", help="Where a network's time goes, layer by layer, on one thread.")] = False,
    rounds: Annotated[int, typer.Option("--rounds", min=1, help="How often each network is timed.")] = 5,
    peers: Annotated[bool, typer.Option("--peers/--no-peers", help="Time Keras and PyTorch beside it where they are installed.")] = True,
    threads: options.Threads = None,
    as_json: options.Json = False,
) -> None:
    """Measure this machine: its peak, issun's share of it, and the ratio to Keras and PyTorch."""
    from dataclasses import replace

    from rich.live import Live
    from rich.text import Text

    from issun.cli.output import messages, print_json, results, warn
    from issun.engine.native import available_sets, measured_peak, threads_available
    from issun.plots.speed import profile_table, speed_table
    from issun.study.machine import machine
    from issun.timing.cases import STANDARD, Case
    from issun.timing.compare import compare
    from issun.timing.profile import profiled
    from issun.timing.sides import SIDES, installed

    count = threads or threads_available()
    shape = values.image_shape(input, "--input")
    cases = [Case(text, shape, batch_size) for text in networks] if networks else list(STANDARD)
    cases = [replace(case, work="predict") for case in cases] if predict else cases
    cases = cases if images is None else [replace(case, images=images) for case in cases]
    for case in cases:
        _ = case.net  # a misspelt network is said before anything is timed
    peaks = {number: measured_peak(number) for number in sorted({1, count})}
    about = machine() | {"instruction_set": available_sets()[0], "threads": count, "multiply_adds_a_second": peaks}
    console = results()
    if layers:
        profiles = [profiled(case) for case in cases]
        if as_json:
            print_json({"machine": about, "profiles": [profile.as_dict() for profile in profiles]})
            return
        for profile in profiles:
            console.print(profile_table(profile.lines(), profile.title(peaks[1])))
            console.print()
        return
    others = [name for name in SIDES if name != "issun" and peers and installed(name)]
    done: list[Any] = []
    with Live(Text("starting …"), console=messages(), transient=True) as live:

        def note(comparison: Any) -> None:
            done.append(comparison)
            live.update(Text(f"{len(done)} of {len(cases)}  {comparison.case.network}"))

        compare(cases, others, count, rounds, peaks[count], note, warn)
    if as_json:
        print_json({"machine": about, "cases": [comparison.as_dict() for comparison in done]})
        return
    rows = [
        {
            "network": comparison.case.network,
            "parameters": comparison.parameters,
            "images_per_second": comparison.case.images / comparison.median,
            "share": comparison.share,
            **{name: comparison.ratios(name) if name in comparison.seconds else [] for name in others},
        }
        for comparison in done
    ]
    console.print(speed_table(rows, others))
    console.print()
    both = ", ".join(f"{2e-9 * rate:.0f} on {number} thread{'s' * (number > 1)}" for number, rate in peaks.items())
    console.print(f"{about['processor']}, {about['instruction_set']}; peak {both} (GFLOP/s of multiply-adds between registers).")
    console.print(
        f"{'Inference' if predict else 'Training'} on {count} threads, images of noise; median of {rounds}, in turn.", soft_wrap=True
    )
    if not others and peers:
        console.print("Neither Keras with TensorFlow nor PyTorch is installed here: no ratios.")
