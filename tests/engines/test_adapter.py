"""LoRA adapters (adapter.py): merged log-probabilities, the base model, fingerprints, refusals."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import pytest

from strop.engines import LADDER, load_engine
from strop.engines.adapter import check_shapes
from strop.engines.base import Request
from strop.engines.transformers import TransformersEngine
from strop.errors import MissingExtraError, ModelError, StropError
from strop.prompts import solution_prompt
from strop.records import Sampling
from strop.seeds import derive
from strop.tasks import Arithmetic

torch = pytest.importorskip("torch")
peft = pytest.importorskip("peft")
transformers = pytest.importorskip("transformers")

BASE = LADDER / "40k"
TASK = Arithmetic()
PROMPTS = [solution_prompt(TASK, problem, []) for problem in TASK.problems("test", 6, seed=0)]
TEXTS = ["12", " 1+2=3", "7"]


def write_adapter(folder: Path, base: Path = BASE, seed: int = 0) -> Path:
    """Write a LoRA adapter of an embedded model, with random weights of visible size."""
    torch.manual_seed(seed)
    model = transformers.AutoModelForCausalLM.from_pretrained(base)
    laid = peft.get_peft_model(
        model, peft.LoraConfig(r=4, lora_alpha=8, target_modules=["q_proj", "v_proj", "down_proj"])
    )
    for name, parameter in laid.named_parameters():
        if "lora_" in name:
            torch.nn.init.normal_(parameter, std=0.2)
    laid.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def adapter(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_adapter(tmp_path_factory.mktemp("adapters") / "one")


@pytest.fixture(scope="module")
def merged(adapter: Path) -> TransformersEngine:
    """The model that PEFT itself merges and writes, as a folder without an adapter."""
    model = peft.PeftModel.from_pretrained(
        transformers.AutoModelForCausalLM.from_pretrained(BASE), adapter
    ).merge_and_unload()
    folder = adapter.parent / "merged"
    model.save_pretrained(folder)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copy(BASE / name, folder)
    return TransformersEngine(str(folder), device="cpu")


def test_logprobs_are_those_of_the_merged_model(adapter: Path, merged: TransformersEngine) -> None:
    engine = load_engine(f"{BASE}?device=cpu&adapter={adapter}")
    wanted = merged.score(PROMPTS, TEXTS).logprobs_PC
    assert engine.score(PROMPTS, TEXTS).logprobs_PC == pytest.approx(wanted, abs=1e-3)
    plain = load_engine(f"{BASE}?device=cpu").score(PROMPTS, TEXTS).logprobs_PC
    assert abs(plain - wanted).max() > 0.1, "the adapter changes the model"
    requests = [
        Request(prompt, tuple(derive(i, k) for k in range(4))) for i, prompt in enumerate(PROMPTS)
    ]
    ours, theirs = (e.sample(requests, Sampling(0.7, 0.9, 30)).samples for e in (engine, merged))
    assert [s.logprob for row in ours for s in row] == pytest.approx(
        [s.logprob for row in theirs for s in row], abs=1e-3
    )
    assert (
        engine.parameters == merged.parameters and engine.attention_width == merged.attention_width
    )


def test_an_adapter_folder_loads_with_its_base_and_its_own_tokenizer(
    adapter: Path, merged: TransformersEngine, tmp_path: Path
) -> None:
    engine = TransformersEngine(str(adapter), device="cpu")
    assert engine.score(PROMPTS, TEXTS).logprobs_PC == pytest.approx(
        merged.score(PROMPTS, TEXTS).logprobs_PC, abs=1e-3
    )
    assert (
        engine.name == str(adapter)
        and engine.describe()["base"] == str(BASE)
        and engine.describe()["adapter"] == str(adapter)
    )
    folder = Path(shutil.copytree(adapter, tmp_path / "chat"))
    shutil.copy(BASE / "tokenizer.json", folder)
    settings = json.loads((BASE / "tokenizer_config.json").read_text())
    (folder / "tokenizer_config.json").write_text(
        json.dumps(settings | {"chat_template": "{{ messages[0]['content'] }}!"})
    )
    assert TransformersEngine(str(folder), device="cpu").render(PROMPTS[0]).endswith("!")


def test_the_fingerprint_covers_the_adapter_and_its_scale(adapter: Path, tmp_path: Path) -> None:
    other, scaled = (
        write_adapter(tmp_path / "other", seed=1),
        Path(shutil.copytree(adapter, tmp_path / "scaled")),
    )
    settings = json.loads((scaled / "adapter_config.json").read_text())
    (scaled / "adapter_config.json").write_text(json.dumps(settings | {"lora_alpha": 16}))
    prints = [
        TransformersEngine(str(place), device="cpu").fingerprint
        for place in (BASE, adapter, other, scaled)
    ]
    assert len(set(prints)) == 4 and all(mark.startswith(f"{prints[0]}+") for mark in prints[1:])
    assert load_engine(f"{BASE}?adapter={adapter}").fingerprint == prints[1]


def changed(adapter: Path, folder: Path, **settings: object) -> Path:
    shutil.copytree(adapter, folder)
    path = folder / "adapter_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | settings))
    return folder


def refusal(name: str) -> str:
    with pytest.raises(StropError) as caught:
        load_engine(name)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_an_adapter_that_cannot_be_merged_is_refused_in_one_line(
    adapter: Path, tmp_path: Path
) -> None:
    assert "no readable adapter_config.json" in refusal(f"{BASE}?adapter={tmp_path}/nowhere")
    assert "is of type IA3" in refusal(
        f"{BASE}?adapter={changed(adapter, tmp_path / 'kind', peft_type='IA3')}"
    )
    assert "after certain tokens" in refusal(
        str(changed(adapter, tmp_path / "late", alora_invocation_tokens=[1, 2]))
    )
    assert "does not name its base" in refusal(
        str(changed(adapter, tmp_path / "baseless", base_model_name_or_path=None))
    )
    gone = changed(adapter, tmp_path / "gone", base_model_name_or_path="/no/such/base")
    assert "which is not here; give its base model as BASE?adapter=" in refusal(str(gone))
    assert "is an adapter itself" in refusal(f"{adapter}?adapter={adapter}")
    assert "cannot be merged" in refusal(f"{LADDER / '250k'}?adapter={adapter}")  # other sizes
    assert "cannot be merged" in refusal(
        f"{BASE}?adapter={changed(adapter, tmp_path / 'aim', target_modules=['nothing'])}"
    )
    assert "belongs to another model" in refusal(
        f"{BASE}?adapter={changed(adapter, tmp_path / 'less', target_modules=['q_proj'])}"
    )
    cut = changed(adapter, tmp_path / "cut")
    (cut / "adapter_model.safetensors").write_bytes(
        (cut / "adapter_model.safetensors").read_bytes()[:100]
    )
    assert "cannot be merged" in refusal(str(cut))


def test_without_peft_the_extra_is_named(adapter: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "peft", None)
    with pytest.raises(MissingExtraError, match=r"strop\[adapters\]"):
        TransformersEngine(str(adapter), device="cpu")


def test_shapes_tell_an_adapter_of_another_model(adapter: Path) -> None:
    """vLLM would compute it all the same."""
    check_shapes(BASE, adapter)
    with pytest.raises(ModelError, match="belongs to another model") as refusal:
        check_shapes(LADDER / "250k", adapter)
    assert "\n" not in str(refusal.value)
