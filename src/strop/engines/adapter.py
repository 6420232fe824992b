"""LoRA adapters in PEFT's format: adapter_config.json and adapter_model.safetensors in a folder."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from strop.errors import MissingExtraError, ModelError, UsageError
from strop.quiet import quiet_libraries

CONFIG = "adapter_config.json"
WEIGHTS = "adapter_model.safetensors"
PICKLED = "adapter_model.bin"


def find_base(name: str, adapter: str | None) -> tuple[str, Path | None]:
    """Return the model to load, and the folder of the adapter to merge into it, if any.

    ``name`` may itself be the folder of an adapter, whose settings then name the base model.
    """
    folder = Path(name).expanduser()
    is_adapter = (folder / CONFIG).is_file() and not (folder / "config.json").exists()
    if not is_adapter:
        return name, Path(adapter).expanduser() if adapter else None
    if adapter:
        raise UsageError(
            f"model {name} is an adapter itself; expected a base model in front of "
            f"?adapter={adapter}, since one adapter is used"
        )
    base = read_config(folder).get("base_model_name_or_path")
    if not isinstance(base, str) or not base:
        raise ModelError(
            f"adapter {name} does not name its base model; give it as BASE?adapter={name}"
        )
    if Path(base).is_absolute() and not Path(base).is_dir():
        raise ModelError(
            f"adapter {name} was trained on {base}, which is not here; "
            f"give its base model as BASE?adapter={name}"
        )
    return base, folder


def read_config(folder: Path) -> dict[str, Any]:
    """Return the adapter's settings.

    Raise ModelError for a folder without an adapter, for pickled weights, and for an adapter of
    another type than LoRA.
    """
    try:
        config = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ModelError(
            f"adapter {folder} has no readable {CONFIG} ({error}); "
            "expected a folder that PEFT wrote"
        ) from None
    peft_type = config.get("peft_type") if isinstance(config, dict) else None
    if peft_type != "LORA" or config.get("alora_invocation_tokens"):
        raise ModelError(
            f"adapter {folder} is of type {peft_type}, or active after certain tokens only; "
            "expected a plain LORA"
        )
    if not (folder / WEIGHTS).is_file():
        contents = "no weights"
        if (folder / PICKLED).exists():
            contents = f"only pickled weights ({PICKLED}), which can run code when read"
        raise ModelError(
            f"adapter {folder} has {contents}; "
            f"expected {WEIGHTS}: convert it with PEFT's save_pretrained"
        )
    return dict(config)


def check_shapes(base: Path, folder: Path) -> None:
    """Raise ModelError if the adapter's weights have other shapes than those of the base model.

    vLLM itself puts an adapter that is too small into the corner of a larger weight, and says
    nothing. Weights that the base model's files call otherwise are not compared.
    """
    from safetensors import safe_open

    shapes: dict[str, list[int]] = {}
    for file in base.glob("*.safetensors"):
        with safe_open(file, "np") as weights:
            for name in weights.keys():  # noqa: SIM118 - the file is no dict
                shapes[name] = weights.get_slice(name).get_shape()
    with safe_open(folder / WEIGHTS, "np") as weights:
        for key in weights.keys():  # noqa: SIM118
            layer, _, part = key.removeprefix("base_model.model.").partition(".lora_")
            shape = shapes.get(f"{layer}.weight")
            axis = {"A.weight": 1, "B.weight": 0}.get(part)
            if shape is None or axis is None:
                continue
            size = weights.get_slice(key).get_shape()[axis]
            if size != shape[axis]:
                raise ModelError(
                    f"adapter {folder} belongs to another model: {key} has size {size}, and "
                    f"the base model's weight {shape[axis]}; give the base it was trained on"
                )


def merge_adapter(model: Any, folder: Path) -> Any:
    """Return the model with the adapter merged into its weights.

    A merged model is as fast as its base, and in bfloat16 no further from the exact result than an
    adapter that is computed beside the weights (docs/log.md). Raise ModelError if the adapter does
    not fit the model.
    """
    read_config(folder)
    try:
        from peft import PeftModel, get_peft_model_state_dict
    except ImportError as error:
        raise MissingExtraError(f"the adapter {folder}", "adapters", str(error)) from None
    from safetensors import SafetensorError, safe_open

    # PEFT raises many kinds of errors for an adapter that does not fit.
    peft_errors = (
        OSError,
        ValueError,
        RuntimeError,
        KeyError,
        TypeError,
        NotImplementedError,
        SafetensorError,
    )
    try:
        with safe_open(folder / WEIGHTS, "pt") as file:
            stored = set(file.keys())
        with quiet_libraries("transformers"):
            adapted = PeftModel.from_pretrained(model, str(folder), torch_device="cpu")
        # PEFT itself only warns of weights that are missing or left over.
        loaded = set(get_peft_model_state_dict(adapted, save_embedding_layers=False))
        if stored != loaded:
            raise ModelError(
                f"adapter {folder} belongs to another model: {min(stored ^ loaded)} is not in "
                "both; give the base it was trained on"
            )
        return adapted.merge_and_unload()
    except peft_errors as error:
        reason = " ".join(str(error).split())[:300]
        raise ModelError(
            f"adapter {folder} cannot be merged into its base model: {reason}"
        ) from None
