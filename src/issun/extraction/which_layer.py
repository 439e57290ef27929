"""The layer of a network that a number or a word means."""

from __future__ import annotations

from issun.arch.net import IMAGE, Net
from issun.errors import NetworkError


def operation_index(net: Net, layer: int | str | None = None, pre_activation: bool = False) -> int:
    """Return the index in `Net.ops` of the layer that is asked for; `IMAGE` (-1) for the image itself.

    Parameters
    ----------
    net : Net
    layer : int or str, optional
        A number as the layer table of `issun size` counts, from 1 (0 is the image); or a layer's text or the beginning of it, such as
        ``conv 16``, ``dense 512`` or ``pool``: the last layer that it fits, and the classifier only where no other does. By default what
        enters the classifier.
    pre_activation : bool
        Whether the values before the layer's activation are meant.

    Raises
    ------
    NetworkError
        Where the network has no such layer, or it has no activation to be before of.
    """
    index = _index(net, layer)
    if pre_activation and (index == IMAGE or not net.ops[index].activates):
        what = "the image" if index == IMAGE else f"layer {index + 1}, `{net.ops[index].text}`,"
        raise NetworkError(
            f"{what} has no activation of its own, so nothing is before it: leave `pre_activation` out, or name another layer"
        )
    return index


def _index(net: Net, layer: int | str | None) -> int:
    if layer is None:
        return net.ops[-1].source
    if isinstance(layer, str) and layer.strip().isdecimal():
        layer = int(layer)
    if isinstance(layer, int):
        if not 0 <= layer <= len(net.ops):
            raise NetworkError(f"`layer` (={layer}) must be from 1 to {len(net.ops)}, or 0 for the image: `{net}` has {_listed(net)}")
        return layer - 1
    wanted = " ".join(layer.split())
    fits = [op for op in net.ops if f"{op.text} ".startswith(f"{wanted} ")] if wanted else []
    fits = [op for op in fits if not op.classifier] or fits
    if not fits:
        raise NetworkError(f"no layer of `{net}` begins with `{wanted}`: it has {_listed(net)}")
    return fits[-1].index


def _listed(net: Net) -> str:
    shown = [f"{op.index + 1} `{op.text}`" for op in net.ops]
    return ", ".join(shown if len(shown) <= 20 else [*shown[:10], "…", *shown[-5:]])


def parameters_up_to(net: Net, operation: int, pre_activation: bool) -> int:
    """Return how many numbers inference needs for the output of an operation, `norm` folded in."""
    if operation == IMAGE:
        return 0
    total = sum(op.parameters for op in net.ops[: operation + 1])
    last = net.ops[operation]
    return total - sum(tensor.size for tensor in last.own if tensor.role == "slope") if pre_activation else total
