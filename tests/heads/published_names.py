"""Names and shapes in published checkpoints, as rules; compared with the real list where that is at hand."""

import torch


def c2f_tcn_shapes(dim, classes):
    """Of a C2F-TCN head."""
    shapes = {"weights": (6,), "tpp.conv.weight": (1, 128, 1), "tpp.conv.bias": (1,)}
    blocks = {"inc.conv": (dim, 256), "down1.max_pool_conv.1": (256, 256), "down2.max_pool_conv.1": (256, 256)}
    blocks |= {"down3.max_pool_conv.1": (256, 128)}
    blocks |= {f"down{level}.max_pool_conv.1": (128, 128) for level in (4, 5, 6)}
    blocks |= {"up.conv": (260, 128), "up0.conv": (256, 128), "up1.conv": (256, 128)}
    blocks |= {f"up{level}.conv": (384, 128) for level in (2, 3, 4)}
    for block, (inputs, outputs) in blocks.items():
        for conv, channels in ((0, inputs), (3, outputs)):
            shapes[f"{block}.conv.{conv}.weight"] = (outputs, channels, 5)
            shapes[f"{block}.conv.{conv}.bias"] = (outputs,)
            for name in ("weight", "bias", "running_mean", "running_var"):
                shapes[f"{block}.conv.{conv + 1}.{name}"] = (outputs,)
            shapes[f"{block}.conv.{conv + 1}.num_batches_tracked"] = ()
    for level in ("0", "1", "2", "3", "4", ""):
        shapes[f"outcc{level}.conv.weight"] = (classes, 128, 1)
        shapes[f"outcc{level}.conv.bias"] = (classes,)
    return shapes


def ms_tcn2_shapes(dim, classes, width=64, layers=11, refinements=3, refinement_layers=10):
    """Of an MS-TCN++ head."""
    convolutions = {"PG.conv_1x1_in": (width, dim, 1), "PG.conv_out": (classes, width, 1)}
    for layer in range(layers):
        convolutions |= {f"PG.conv_dilated_{one}.{layer}": (width, width, 3) for one in (1, 2)}
        convolutions[f"PG.conv_fusion.{layer}"] = (width, 2 * width, 1)
    for stage in range(refinements):
        convolutions |= {f"Rs.{stage}.conv_1x1": (width, classes, 1), f"Rs.{stage}.conv_out": (classes, width, 1)}
        for layer in range(refinement_layers):
            convolutions[f"Rs.{stage}.layers.{layer}.conv_dilated"] = (width, width, 3)
            convolutions[f"Rs.{stage}.layers.{layer}.conv_1x1"] = (width, width, 1)
    shapes = {f"{name}.weight": shape for name, shape in convolutions.items()}
    return shapes | {f"{name}.bias": shape[:1] for name, shape in convolutions.items()}


def refiner_shapes(dim, layers, feed_forward):
    """Of a refiner: encoder layers, without a last norm."""
    shapes = {}
    for layer in range(layers):
        sizes = {
            "self_attn.in_proj_weight": (3 * dim, dim),
            "self_attn.in_proj_bias": (3 * dim,),
            "self_attn.out_proj.weight": (dim, dim),
            "self_attn.out_proj.bias": (dim,),
            "linear1.weight": (feed_forward, dim),
            "linear1.bias": (feed_forward,),
            "linear2.weight": (dim, feed_forward),
            "linear2.bias": (dim,),
        }
        sizes |= {f"norm{norm}.{name}": (dim,) for norm in (1, 2) for name in ("weight", "bias")}
        shapes |= {f"layers.{layer}.{name}": shape for name, shape in sizes.items()}
    return shapes


def random_weights(shapes):
    """A state dict of these names and shapes, with positive variances."""
    generator = torch.Generator().manual_seed(0)
    weights = {}
    for name, shape in shapes.items():
        if name.endswith("num_batches_tracked"):
            weights[name] = torch.tensor(7)
        elif name == "weights":
            weights[name] = torch.ones(shape)
        else:
            weights[name] = torch.rand(shape, generator=generator) * (1.0 if "running_var" in name else 0.02)
    return weights


def asformer_shapes(dim, classes, width=64):
    """Of an ASFormer head: an encoder and three decoders of ten layers each."""
    shapes, inner = {}, width // 2
    for stage, inputs in (("encoder", dim), *((f"decoders.{place}", classes) for place in range(3))):
        convs = {"conv_1x1": (width, inputs, 1), "conv_out": (classes, width, 1)}
        for layer in range(10):
            convs |= {f"layers.{layer}.feed_forward.layer.0": (width, width, 3)}
            convs |= {f"layers.{layer}.att_layer.{part}_conv": (inner, width, 1) for part in ("query", "key", "value")}
            convs |= {
                f"layers.{layer}.att_layer.conv_out": (width, inner, 1),
                f"layers.{layer}.conv_1x1": (width, width, 1),
            }
        for conv, shape in convs.items():
            shapes[f"{stage}.{conv}.weight"], shapes[f"{stage}.{conv}.bias"] = shape, shape[:1]
    return shapes
