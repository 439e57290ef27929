"""`issun bench`: how fast this machine trains, how much of it is used, and how Keras and PyTorch compare here."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from issun.cli import options


def bench(
    networks: Annotated[
        list[str] | None, typer.Argument(metavar="[NETWORK]…", help="Networks without knobs; default: a table of usual ones.")
    ] = None,
    input: options.Input = (28, 28, 1),
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
    from issun.cli.output import print_lines, results, tell
    from issun.cli.progress import Shown
    from issun.plots.speed import bench_lines
    from issun.timing.bench import bench

    own: dict[str, Any] = {"input": input, "batch_size": batch_size, "images": images, "predict": predict, "layers": layers}
    own |= {"rounds": rounds, "peers": peers, "threads": threads}
    with Shown() as show:
        found = bench(networks, on_progress=show, **own)
    tell(found, as_json, lambda console, _: print_lines(console, bench_lines(found)))
    if not as_json and not layers and peers and not found.others:
        results().print("Neither Keras with TensorFlow nor PyTorch is installed here: no ratios.")
