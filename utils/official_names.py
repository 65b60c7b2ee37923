"""The one table between our tensor names and those of the authors' checkpoint."""

from __future__ import annotations

from geometry.parts import KINDS

CONV_BLOCK = {"0.conv": "conv.0", "0.norm": "conv.1", "1.conv": "conv.3", "1.norm": "conv.4"}
UP = {"conv": "up.1", "norm": "up.2"}
GATE = {
    "gate_conv": "W_g.0",
    "gate_norm": "W_g.1",
    "skip_conv": "W_x.0",
    "skip_norm": "W_x.1",
    "score_conv": "psi.0",
    "score_norm": "psi.1",
}


def _under(ours: str, official: str, names: dict[str, str]) -> dict[str, str]:
    return {f"{ours}.{a}": f"{official}.{b}" for a, b in names.items()}


def _decoder(levels: int) -> dict[str, str]:
    table: dict[str, str] = {}
    for step in range(levels - 1):
        level = levels - step
        table |= _under(f"decoder.{step}.up", f"Up{level}", UP)
        table |= _under(f"decoder.{step}.gate", f"Att{level}", GATE)
        table |= _under(f"decoder.{step}.merge", f"Up_conv{level}", CONV_BLOCK)
    return table


def _attention_unet() -> dict[str, str]:
    table = _decoder(4) | {"head": "Conv_1x1.conv.0"}
    for level in range(4):
        table |= _under(f"encoder.{level}", f"Conv{level + 1}", CONV_BLOCK)
    return table


def _dual_encoder_unet() -> dict[str, str]:
    table = _decoder(5) | {"head": "Conv_1x1"}
    for number, encoder in enumerate(("image_encoder", "normal_encoder"), 1):
        for level in range(5):
            table |= _under(f"{encoder}.{level}", f"Conv{level + 1}_{number}", CONV_BLOCK)
    return table


def _refiner() -> dict[str, str]:
    table: dict[str, str] = {}
    for step in range(3):
        table |= _under(f"steps.{step}.up", f"depth{step + 1}", UP)
        table |= _under(f"steps.{step}.normals", f"normal{step + 1}", {"conv": "conv.0", "norm": "conv.1"})
        table |= _under(f"steps.{step}.merge", f"merge{step + 1}_1", CONV_BLOCK)
        table[f"steps.{step}.head"] = f"merge{step + 1}_2" + (".conv.0" if step < 2 else "")
    return table


def layer_names() -> dict[str, str]:
    """Official layer name -> our layer name; tensor names add ".weight", ".bias", ".running_mean", ... alike."""
    table: dict[str, str] = {}
    for kind in KINDS:
        table |= _under(f"part_networks.{kind.name}", f"img2normal_{kind.name}", _attention_unet())
    table |= _under("coarse_normals", "img2normal_down", _attention_unet())
    table |= _under("coarse_depth", "ImgNorm_to_Dep", _dual_encoder_unet())
    table |= _under("refiner", "refine", _refiner())
    return {official: ours for ours, official in table.items()}
