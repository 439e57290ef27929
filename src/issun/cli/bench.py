"""`issun bench`: how fast this machine trains, how much of it is used, and how Keras and PyTorch compare here."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from issun.cli import options


@options.taking(options.computing)
def bench(
    networks: Annotated[
        list[str] | None, typer.Argument(metavar="[NETWORK]…", help="Networks without knobs; default: a set of common ones.")
    ] = None,
    input: options.Input = (28, 28, 1),
    batch_size: Annotated[int, typer.Option("--batch-size", min=1, help="Batch size for the given networks.")] = 128,
    images: Annotated[int | None, typer.Option("--images", min=1, help="Images per epoch; default: about a second's work.")] = None,
    predict: Annotated[bool, typer.Option("--predict", help="Time inference instead of training.")] = False,
    layers: Annotated[bool, typer.Option("--layers", help="Time of each layer, on one thread.")] = False,
    rounds: Annotated[int, typer.Option("--rounds", min=1, help="Number of timings of each network.")] = 5,
    peers: Annotated[bool, typer.Option("--peers/--no-peers", help="Also time Keras and PyTorch where installed.")] = True,
    as_json: options.Json = False,
    **given: Any,
) -> None:
    """Benchmark this machine: its peak, the share that issun reaches, and the ratio to Keras and PyTorch."""
    from issun.cli.output import print_lines, results, tell
    from issun.cli.progress import Shown
    from issun.plots.speed import bench_lines
    from issun.timing.bench import bench

    own: dict[str, Any] = {"input": input, "batch_size": batch_size, "images": images, "predict": predict, "layers": layers, "peers": peers}
    with Shown() as show:
        found = bench(networks, rounds=rounds, on_progress=show, **own, **given)
    tell(found, as_json, lambda console, _: print_lines(console, bench_lines(found)))
    if not as_json and not layers and peers and not found.others:
        results().print("Neither Keras with TensorFlow nor PyTorch is installed: no ratios.")
