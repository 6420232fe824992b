"""LoRA adapters in PEFT's format: a folder with adapter_config.json and adapter_model.safetensors, laid over its base model."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from strop.errors import MissingExtraError, ModelError, UsageError

CONFIG, WEIGHTS, PICKLED = "adapter_config.json", "adapter_model.safetensors", "adapter_model.bin"


def find_base(name: str, adapter: str | None) -> tuple[str, Path | None]:
    """The model to load, and the adapter to lay over it: the one asked for, or the folder ``name`` itself, which then names its base."""
    folder = Path(name).expanduser()
    is_adapter = (folder / CONFIG).is_file() and not (folder / "config.json").exists()
    if not is_adapter:
        return name, Path(adapter).expanduser() if adapter else None
    if adapter:
        raise UsageError(
            f"model {name} is an adapter itself; expected a base model in front of ?adapter={adapter}, since one adapter is used"
        )
    base = read_config(folder).get("base_model_name_or_path")
    if not isinstance(base, str) or not base:
        raise ModelError(
            f"adapter {name} does not name its base model; give it as BASE?adapter={name}"
        )
    if Path(base).is_absolute() and not Path(base).is_dir():
        raise ModelError(
            f"adapter {name} was trained on {base}, which is not here; give its base model as BASE?adapter={name}"
        )
    return base, folder


def read_config(folder: Path) -> dict[str, Any]:
    """The adapter's settings. ModelError for what is no adapter, holds pickled weights, or is of another kind than LoRA."""
    try:
        config = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ModelError(
            f"adapter {folder} has no readable {CONFIG} ({error}); expected a folder that PEFT wrote"
        ) from None
    kind = config.get("peft_type") if isinstance(config, dict) else None
    if kind != "LORA" or config.get("alora_invocation_tokens"):
        raise ModelError(
            f"adapter {folder} is of type {kind}, or active after certain tokens only; expected a plain LORA"
        )
    if not (folder / WEIGHTS).is_file():
        found = (
            f"only pickled weights ({PICKLED}), which can run code when read"
            if (folder / PICKLED).exists()
            else "no weights"
        )
        raise ModelError(
            f"adapter {folder} has {found}; expected {WEIGHTS}: convert it with PEFT's save_pretrained"
        )
    return dict(config)


def lay_over(model: Any, folder: Path) -> Any:
    """The model with its adapter merged into its weights. ModelError where the two do not belong together.

    Merged, it is as fast as its base, and in bfloat16 no further from the truth than computed beside the weights (docs/log.md).
    """
    read_config(folder)
    try:
        from peft import PeftModel, get_peft_model_state_dict
    except ImportError as error:
        raise MissingExtraError(f"the adapter {folder}", "adapters", str(error)) from None
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(folder / WEIGHTS, "pt") as file:
            stored = set(file.keys())
        laid = PeftModel.from_pretrained(model, str(folder), torch_device="cpu")
        if strange := sorted(
            stored ^ set(get_peft_model_state_dict(laid, save_embedding_layers=False))
        ):
            raise ModelError(
                f"adapter {folder} belongs to another model: {strange[0]} is not in both; give the base it was trained on"
            )
        return laid.merge_and_unload()
    except (
        OSError,
        ValueError,
        RuntimeError,
        KeyError,
        TypeError,
        NotImplementedError,
        SafetensorError,
    ) as error:
        raise ModelError(
            f"adapter {folder} cannot be laid over its base model: {' '.join(str(error).split())[:300]}"
        ) from None
