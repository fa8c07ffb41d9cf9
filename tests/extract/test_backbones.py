"""Backbones of every kind: what they compute, their preprocessing, their weights' hash."""

import importlib.util
import json
import sys
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest
import torch

from tests.extract.networks import SMALL, Convolutions
from viewloom.errors import ConfigError
from viewloom.extract.backbones import hf, timm
from viewloom.extract.backbones.base import Backbone, open_backbone, pooled
from viewloom.extract.preprocessing import Preprocessing
from viewloom.extract.settings import ExtractConfig

CONVOLUTIONS = "py:tests.extract.networks:convolutions"
PICTURES = np.random.default_rng(0).integers(0, 256, (5, 1, 32, 32, 3), np.uint8)


def opened(backbone: str, **settings) -> Backbone:
    return open_backbone(ExtractConfig(videos="", out="unused", fps=30, backbone=backbone, device="cpu", **settings))


def by_hand(network: torch.nn.Module, pictures=PICTURES, how: Preprocessing = SMALL) -> np.ndarray:
    """Features of a network, frame by frame, with pictures normalised the plain way."""
    rows = []
    for picture in pictures[:, 0]:
        x = (torch.from_numpy(picture / 255.0) - torch.tensor(how.mean)) / torch.tensor(how.std)
        with torch.inference_mode():
            rows.append(pooled(network.eval()(x.permute(2, 0, 1)[None].float()))[0].numpy())
    return np.stack(rows)


def test_python_factory():
    backbone = opened(CONVOLUTIONS)
    np.testing.assert_allclose(backbone(PICTURES), by_hand(Convolutions()), rtol=1e-4, atol=1e-6)
    assert backbone.dim() == 40
    shown = backbone.identity()
    assert len(shown["weights_sha256"]) == 64 and shown["computed"] == "float32 on cpu, 1 together"


def test_settings_win_over_the_backbones_own():
    backbone = opened(CONVOLUTIONS, mean="0.5,0.4,0.3", std="0.2,0.3,0.4", size=32, resize=40)
    how = backbone.preprocessing
    assert (how.mean, how.std, how.resize) == ((0.5, 0.4, 0.3), (0.2, 0.3, 0.4), 40)
    np.testing.assert_allclose(backbone(PICTURES), by_hand(Convolutions(), how=how), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("shape", [(2, 6), (2, 9, 6), (2, 6, 4, 4), (2, 6, 3, 4, 4)])
def test_any_output_becomes_one_row_a_frame(shape):
    found = torch.randn(shape)
    row = pooled(found)
    assert row.shape == (2, 6)
    if len(shape) == 3:
        torch.testing.assert_close(row, found.mean(1))
    elif len(shape) > 3:
        torch.testing.assert_close(row, found.flatten(2).mean(2))


def test_an_output_without_rows_is_refused(monkeypatch):
    monkeypatch.setattr(Convolutions, "forward", lambda self, x: torch.zeros(7))
    with pytest.raises(ConfigError, match=r"output of shape \(7,\) for 1 frames"):
        opened(CONVOLUTIONS).dim()


@pytest.fixture(scope="module")
def onnx_file(tmp_path_factory):
    pytest.importorskip("onnxruntime", reason="ONNX Runtime (extra: onnx) is not installed")
    pytest.importorskip("onnx", reason="onnx (extra: onnx-export) is not installed")
    from viewloom.extract.export import export_onnx

    return export_onnx(CONVOLUTIONS, tmp_path_factory.mktemp("onnx") / "network.onnx")


def test_onnx_computes_the_same_and_knows_its_preprocessing(onnx_file):
    backbone = opened(f"onnx:{onnx_file}")
    assert backbone.preprocessing == SMALL
    assert backbone.spec == "onnx:network.onnx", "no folder of this machine in the store"
    np.testing.assert_allclose(backbone(PICTURES), by_hand(Convolutions()), rtol=1e-3, atol=1e-5)
    assert backbone.identity()["weights_sha256"] != opened(CONVOLUTIONS).identity()["weights_sha256"]


def test_onnx_is_the_same_bits_whatever_is_computed_with_it(onnx_file):
    backbone = opened(f"onnx:{onnx_file}")
    apart = np.concatenate([backbone(PICTURES[i : i + 1]) for i in range(5)])
    assert np.array_equal(backbone(PICTURES), apart)


@pytest.mark.parametrize("shape", [(4, 3, 20, 20), ("n", 20, 20, 3), ("n", 3, 20, 24), ("n", 5)])
def test_onnx_files_of_other_shapes(tmp_path, shape):
    onnx = pytest.importorskip("onnx", reason="onnx (extra: onnx-export) is not installed")
    pytest.importorskip("onnxruntime", reason="ONNX Runtime (extra: onnx) is not installed")
    path = tmp_path / "m.onnx"
    axes = onnx.helper.make_tensor("axes", onnx.TensorProto.INT64, [2], [1, 2] if shape[-1] == 3 else [2, 3])
    graph = onnx.helper.make_graph(
        [onnx.helper.make_node("ReduceMean", ["x", "axes"], ["y"], keepdims=0)],
        "mean",
        [onnx.helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, shape)],
        [onnx.helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, None)],
        [axes],
    )
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 18)], ir_version=9)
    onnx.save(model, str(path))
    if shape in {("n", 3, 20, 24), ("n", 5)}:
        with pytest.raises(ConfigError, match="only squares|one input of floating pictures|ONNX Runtime"):
            opened(f"onnx:{path}")
        return
    backbone = opened(f"onnx:{path}", mean="0,0,0", std="1,1,1")
    assert backbone.preprocessing.size == 20 and backbone.together == (4 if shape[0] == 4 else 1)
    pictures = PICTURES[:, :, :20, :20]
    np.testing.assert_allclose(backbone(pictures), pictures[:, 0].mean((1, 2)) / 255, rtol=1e-5)


def test_clips_for_an_image_network_are_refused(onnx_file):
    with pytest.raises(ConfigError, match="single pictures, not clips of 4"):
        opened(f"onnx:{onnx_file}", clip=4).dim()
    with pytest.raises(ConfigError, match="can't compute a clip of 4 frames"):
        opened(CONVOLUTIONS, clip=4).dim()


def test_onnx_file_that_is_none(tmp_path):
    pytest.importorskip("onnxruntime", reason="ONNX Runtime (extra: onnx) is not installed")
    (tmp_path / "m.onnx").write_bytes(b"not a network")
    with pytest.raises(ConfigError, match="can't be used by ONNX Runtime"):
        opened(f"onnx:{tmp_path / 'm.onnx'}")


@pytest.fixture(scope="module")
def vit(tmp_path_factory):
    """A tiny vision transformer of random weights, saved as Transformers saves models."""
    transformers = pytest.importorskip("transformers", reason="Transformers (extra: hf) is not installed")
    folder = tmp_path_factory.mktemp("vit")
    torch.manual_seed(0)
    settings = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32}
    model = transformers.ViTModel(transformers.ViTConfig(image_size=32, patch_size=8, **settings))
    model.save_pretrained(folder)
    processor = {"size": {"height": 32, "width": 32}, "image_mean": [0.5] * 3, "image_std": [0.25] * 3, "resample": 2}
    (folder / "preprocessor_config.json").write_text(json.dumps(processor))
    return SimpleNamespace(folder=folder, model=model.eval())


def test_transformers_pooled_output(vit):
    backbone = opened(f"hf:{vit.folder}")
    how = backbone.preprocessing
    assert how == Preprocessing(32, 32, "squash", "bilinear", (0.5,) * 3, (0.25,) * 3)
    wanted = by_hand(hf.PooledOutput(vit.model), how=how)
    np.testing.assert_allclose(backbone(PICTURES), wanted, rtol=1e-4, atol=1e-6)


def test_transformers_mean_of_tokens_where_the_pooler_was_not_trained(vit, tmp_path):
    from safetensors.torch import load_file, save_file

    state = load_file(vit.folder / "model.safetensors")
    for name in ("config.json", "preprocessor_config.json"):
        (tmp_path / name).write_bytes((vit.folder / name).read_bytes())
    save_file({k: v for k, v in state.items() if "pooler" not in k}, tmp_path / "model.safetensors", {"format": "pt"})
    backbone = opened("hf:some/name", weights=str(tmp_path))
    how = backbone.preprocessing
    network = SimpleNamespace(eval=lambda: lambda x: vit.model(pixel_values=x).last_hidden_state)
    np.testing.assert_allclose(backbone(PICTURES), by_hand(network, how=how), rtol=1e-4, atol=1e-6)
    assert backbone.spec == "hf:some/name"
    kept = {k: v for k, v in state.items() if not k.startswith("layernorm")}
    save_file(kept, tmp_path / "model.safetensors", {"format": "pt"})
    with pytest.raises(ConfigError, match="lacks 2 weights"):
        opened(f"hf:{tmp_path}")


def test_transformers_video_model(tmp_path):
    transformers = pytest.importorskip("transformers", reason="Transformers (extra: hf) is not installed")
    torch.manual_seed(0)
    size = {"image_size": 32, "patch_size": 8, "num_frames": 4, "tubelet_size": 2, "hidden_size": 16}
    rest = {"num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32}
    model = transformers.VideoMAEModel(transformers.VideoMAEConfig(**size, **rest)).eval()
    model.save_pretrained(tmp_path)
    processor = {"size": {"shortest_edge": 32}, "crop_size": {"height": 32, "width": 32}, "do_center_crop": True}
    (tmp_path / "preprocessor_config.json").write_text(json.dumps(processor))
    backbone = opened(f"hf:{tmp_path}", clip=4, mean="0,0,0", std="1,1,1")
    clips = PICTURES.repeat(4, axis=1) // np.arange(1, 5, dtype=np.uint8)[:, None, None, None]
    with torch.inference_mode():
        x_NTCHW = torch.from_numpy(clips / 255.0).float().permute(0, 1, 4, 2, 3)
        wanted = model(pixel_values=x_NTCHW).last_hidden_state.mean(1).numpy()
    np.testing.assert_allclose(backbone(clips), wanted, rtol=1e-3, atol=1e-5)
    with pytest.raises(ConfigError, match="can't compute a clip of 3 frames"):
        opened(f"hf:{tmp_path}", clip=3).dim()


def test_transformers_model_that_is_nowhere(tmp_path):
    pytest.importorskip("transformers", reason="Transformers (extra: hf) is not installed")
    with pytest.raises(ConfigError, match="hf:"):
        opened(f"hf:{tmp_path}")


@pytest.mark.parametrize(
    ("settings", "wanted"),
    [
        ({"crop_size": {"height": 224}, "size": {"shortest_edge": 256}, "do_center_crop": True}, (224, 256, "crop")),
        ({"size": {"height": 384, "width": 384}}, (384, 384, "squash")),
        ({"size": {"shortest_edge": 224}, "crop_pct": 0.875}, (224, 256, "crop")),
        ({"size": 192}, (192, 192, "squash")),
    ],
)
def test_transformers_settings(settings, wanted):
    how = hf.preprocessing(settings)
    assert (how.size, how.resize, how.fit) == wanted


class StubTimm(ModuleType):
    """What `viewloom` uses of timm, as timm 1.0 documents it; says nothing about timm itself."""

    def __init__(self) -> None:
        super().__init__("timm")
        self.asked: list[tuple] = []
        settings = {"input_size": (3, 32, 32), "crop_pct": 0.8, "interpolation": "bicubic", "crop_mode": "center"}
        settings |= {"mean": SMALL.mean, "std": SMALL.std}
        self.data = SimpleNamespace(resolve_model_data_config=lambda model: settings)

    def create_model(self, name, pretrained, num_classes):
        self.asked.append((name, pretrained, num_classes))
        if name == "absent":
            raise RuntimeError("Unknown model (absent)")
        network = Convolutions()
        network.pretrained_cfg = {"classifier": "head"}
        return network


def test_timm_by_a_stand_in(monkeypatch, tmp_path):
    stub = StubTimm()
    monkeypatch.setitem(sys.modules, "timm", stub)
    backbone = opened("timm:some_net")
    assert stub.asked == [("some_net", True, 0)]
    assert (backbone.preprocessing.size, backbone.preprocessing.resize) == (32, 40)
    np.testing.assert_allclose(backbone(PICTURES), by_hand(Convolutions()), rtol=1e-4, atol=1e-6)
    state = {name: value + 1 for name, value in Convolutions().state_dict().items()}
    torch.save({"state_dict": {**state, "head.weight": torch.ones(2)}}, tmp_path / "w.pth")
    other = opened("timm:some_net", weights=str(tmp_path / "w.pth"))
    assert stub.asked[-1] == ("some_net", False, 0)
    assert other.identity()["weights_sha256"] != backbone.identity()["weights_sha256"]
    torch.save({"layers.0.bias": torch.ones(96)}, tmp_path / "w.pth")
    with pytest.raises(ConfigError, match="5 names differ"):
        opened("timm:some_net", weights=str(tmp_path / "w.pth"))
    with pytest.raises(ConfigError, match="Unknown model"):
        opened("timm:absent")


@pytest.mark.skipif(importlib.util.find_spec("timm") is None, reason="timm is not installed: it needs torchvision")
def test_timm_itself():
    backbone = opened("timm:resnet10t", weights=None)
    assert backbone.dim() == 512


def test_timm_settings_that_squash():
    how = timm.preprocessing({"input_size": (3, 64, 64), "crop_mode": "squash", "mean": [0] * 3, "std": [1] * 3})
    assert (how.fit, how.size) == ("squash", 64)


def test_weights_that_are_no_weights(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "timm", StubTimm())
    (tmp_path / "w.pth").write_bytes(b"nonsense")
    with pytest.raises(ConfigError, match="no weights that can be read safely"):
        opened("timm:some_net", weights=str(tmp_path / "w.pth"))


@pytest.mark.skipif(
    importlib.util.find_spec("efficientnet_lite_pytorch") is None, reason="efficientnet-lite-pytorch is not installed"
)
def test_efficientnet_lite():
    backbone = opened("py:viewloom.extract.efficientnet:lite0")
    assert backbone.dim() == 1280 and backbone.preprocessing.size == 224
