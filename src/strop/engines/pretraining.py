"""Pre-training compute, 6 N D, of the model families of "Mind the Gap" (Figure 1) and more.

N is the number of parameters of the checkpoint, embeddings included, counted from its published
configuration (``tests/engines`` counts them again). D is the number of training tokens that the
developers published; if they write "up to" or "over", so does the source here. A model without a
published token count has no row: an unknown number is never guessed. Stages after pre-training are
not counted.
"""

from __future__ import annotations

import math
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace

from strop.engines import embedded_models, find_kind
from strop.engines.base import training_flops
from strop.engines.options import bare_name
from strop.errors import UsageError

GIVEN = "given by the user"
LIST = "strop/engines/pretraining.py"


@dataclass(frozen=True, slots=True)
class Pretraining:
    """A model's pre-training.

    ``parameters`` and ``tokens`` are None if only ``flops`` was given.

    ``family`` is the line of the scaling figure: the paper's name of the family, with " tuned"
    added for instruction-tuned variants; "ladder" or "ladder lean" for the embedded models;
    "given" for models known only by the user's number.
    """

    model: str
    family: str
    parameters: float | None
    tokens: float | None
    flops: float
    source: str


@dataclass(frozen=True, slots=True)
class Row:
    """A row of the table."""

    family: str
    model: str
    parameters: int
    tokens: float
    source: str

    @property
    def flops(self) -> float:
        """6 N D: forward and backward pass, without the products of attention itself."""
        return training_flops(self.parameters, self.tokens)


_QWEN15 = (
    "Qwen team, github.com/QwenLM/Qwen3/issues/97, by size; "
    "its Qwen2 report says 3T for the whole series"
)
_QWEN2 = "Qwen2 report, arXiv 2407.10671, Table 1"
_QWEN25 = "Qwen2.5 report, arXiv 2412.15115: up to 18T tokens, not given by size"
_QWEN3 = "Qwen3 report, arXiv 2505.09388, and model cards: 36T tokens"
_LLAMA2 = "Llama 2 model card; arXiv 2307.09288"
_LLAMA3 = "Llama 3 model card: over 15T tokens"
_LLAMA31 = "Llama 3.1 model card: about 15T tokens"
_LLAMA31_405B = "Llama 3 report, arXiv 2407.21783: 15.6T tokens"
_405B = "meta-llama/Llama-3.1-405B"
_LLAMA32 = (
    "Llama 3.2 model card: up to 9T tokens; the larger models it was distilled from are not counted"
)
_YI15 = "Yi-1.5 model card: 3.6T tokens"
_YI15_9B = "Yi-1.5 model card: 3.6T tokens, nominal, as the 9B was grown from a trained 6B"
_OLMO2 = (
    "OLMo 2 model cards; arXiv 2501.00656: first stage; "
    "the second, at most 12% more, is not counted"
)
_PYTHIA = "Pythia, arXiv 2304.01373"
_PYTHIA_TOKENS = 299_892_736_000

_PYTHIAS = (
    Row("Pythia", "EleutherAI/pythia-70m", 70_426_624, _PYTHIA_TOKENS, _PYTHIA),
    Row("Pythia", "EleutherAI/pythia-160m", 162_322_944, _PYTHIA_TOKENS, _PYTHIA),
    Row("Pythia", "EleutherAI/pythia-410m", 405_334_016, _PYTHIA_TOKENS, _PYTHIA),
    Row("Pythia", "EleutherAI/pythia-1b", 1_011_781_632, _PYTHIA_TOKENS, _PYTHIA),
    Row("Pythia", "EleutherAI/pythia-1.4b", 1_414_647_808, _PYTHIA_TOKENS, _PYTHIA),
    Row("Pythia", "EleutherAI/pythia-2.8b", 2_775_208_960, _PYTHIA_TOKENS, _PYTHIA),
    Row("Pythia", "EleutherAI/pythia-6.9b", 6_857_302_016, _PYTHIA_TOKENS, _PYTHIA),
    Row("Pythia", "EleutherAI/pythia-12b", 11_846_072_320, _PYTHIA_TOKENS, _PYTHIA),
)

REGISTRY = (
    Row("Qwen-1.5", "Qwen/Qwen1.5-0.5B", 463_987_712, 2.4e12, _QWEN15),
    Row("Qwen-1.5", "Qwen/Qwen1.5-1.8B", 1_836_828_672, 2.4e12, _QWEN15),
    Row("Qwen-1.5", "Qwen/Qwen1.5-4B", 3_950_369_280, 2.4e12, _QWEN15),
    Row("Qwen-1.5", "Qwen/Qwen1.5-7B", 7_721_324_544, 4e12, _QWEN15),
    Row("Qwen-1.5", "Qwen/Qwen1.5-14B", 14_167_290_880, 4e12, _QWEN15),
    Row("Qwen-1.5", "Qwen/Qwen1.5-72B", 72_287_920_128, 3e12, _QWEN15),
    Row("Qwen-2", "Qwen/Qwen2-0.5B", 494_032_768, 12e12, _QWEN2),
    Row("Qwen-2", "Qwen/Qwen2-1.5B", 1_543_714_304, 7e12, _QWEN2),
    Row("Qwen-2", "Qwen/Qwen2-7B", 7_615_616_512, 7e12, _QWEN2),
    Row("Qwen-2", "Qwen/Qwen2-72B", 72_706_203_648, 7e12, _QWEN2),
    Row("Qwen-2.5", "Qwen/Qwen2.5-0.5B", 494_032_768, 18e12, _QWEN25),
    Row("Qwen-2.5", "Qwen/Qwen2.5-1.5B", 1_543_714_304, 18e12, _QWEN25),
    Row("Qwen-2.5", "Qwen/Qwen2.5-3B", 3_085_938_688, 18e12, _QWEN25),
    Row("Qwen-2.5", "Qwen/Qwen2.5-7B", 7_615_616_512, 18e12, _QWEN25),
    Row("Qwen-2.5", "Qwen/Qwen2.5-14B", 14_770_033_664, 18e12, _QWEN25),
    Row("Qwen-2.5", "Qwen/Qwen2.5-32B", 32_763_876_352, 18e12, _QWEN25),
    Row("Qwen-2.5", "Qwen/Qwen2.5-72B", 72_706_203_648, 18e12, _QWEN25),
    Row("Qwen-3", "Qwen/Qwen3-0.6B-Base", 596_049_920, 36e12, _QWEN3),
    Row("Qwen-3", "Qwen/Qwen3-1.7B-Base", 1_720_574_976, 36e12, _QWEN3),
    Row("Qwen-3", "Qwen/Qwen3-4B-Base", 4_022_468_096, 36e12, _QWEN3),
    Row("Qwen-3", "Qwen/Qwen3-8B-Base", 8_190_735_360, 36e12, _QWEN3),
    Row("Qwen-3", "Qwen/Qwen3-14B-Base", 14_768_307_200, 36e12, _QWEN3),
    Row("Llama-2", "meta-llama/Llama-2-7b-hf", 6_738_415_616, 2e12, _LLAMA2),
    Row("Llama-2", "meta-llama/Llama-2-13b-hf", 13_015_864_320, 2e12, _LLAMA2),
    Row("Llama-2", "meta-llama/Llama-2-70b-hf", 68_976_648_192, 2e12, _LLAMA2),
    Row("Llama-3", "meta-llama/Meta-Llama-3-8B", 8_030_261_248, 15e12, _LLAMA3),
    Row("Llama-3", "meta-llama/Meta-Llama-3-70B", 70_553_706_496, 15e12, _LLAMA3),
    Row("Llama-3.1", "meta-llama/Llama-3.1-8B", 8_030_261_248, 15e12, _LLAMA31),
    Row("Llama-3.1", "meta-llama/Llama-3.1-70B", 70_553_706_496, 15e12, _LLAMA31),
    Row("Llama-3.1", _405B, 405_853_388_800, 15.6e12, _LLAMA31_405B),
    Row("Llama-3.2", "meta-llama/Llama-3.2-1B", 1_235_814_400, 9e12, _LLAMA32),
    Row("Llama-3.2", "meta-llama/Llama-3.2-3B", 3_212_749_824, 9e12, _LLAMA32),
    Row("Yi-1.5", "01-ai/Yi-1.5-6B", 6_061_035_520, 3.6e12, _YI15),
    Row("Yi-1.5", "01-ai/Yi-1.5-9B", 8_829_407_232, 3.6e12, _YI15_9B),
    Row("Yi-1.5", "01-ai/Yi-1.5-34B", 34_388_917_248, 3.6e12, _YI15),
    Row("OLMo-2", "allenai/OLMo-2-0425-1B", 1_484_916_736, 4e12, _OLMO2),
    Row("OLMo-2", "allenai/OLMo-2-1124-7B", 7_298_617_344, 4e12, _OLMO2),
    Row("OLMo-2", "allenai/OLMo-2-1124-13B", 13_716_198_400, 5e12, _OLMO2),
    Row("OLMo-2", "allenai/OLMo-2-0325-32B", 32_234_279_936, 6e12, _OLMO2),
    *_PYTHIAS,
    *(replace(row, family="Pythia-deduped", model=f"{row.model}-deduped") for row in _PYTHIAS),
)

LEFT_OUT = {
    "Qwen/Qwen1.5-32B": "its developers have not published the number of tokens",
    "Qwen/Qwen1.5-110B": "its developers have not published the number of tokens",
    "Qwen/Qwen2-57B-A14B": "it was made from a trained dense model, "
    "whose compute 6 N D of its active parameters would leave out",
}
"""Models of these families without a row, each with its reason."""

_ROWS = {row.model.lower(): row for row in REGISTRY}
_REASONS = {name.lower(): reason for name, reason in LEFT_OUT.items()}
_TUNED = re.compile(r"-(instruct|chat|sft|dpo)(?=-|$)")
_RENAMED = ("meta-llama/meta-llama-3.1-", "meta-llama/llama-3.1-")
"""The hub renamed these models: old and new beginning of the name."""


def pretraining_flops(model: str, given: Mapping[str, float] | None = None) -> Pretraining:
    """Return the pre-training compute of a model by the name a user gives.

    Looked up in this order: ``given`` {model: FLOPs}; the embedded models' cards; the table, by hub
    id in any case, also after ``vllm:`` and in ``openai:NAME@URL``, and for the tuned variant of a
    base model. Settings such as ``?dtype=bfloat16`` do not matter. A local folder is never taken
    for the hub model of the same name. Raise UsageError in one line if nothing is known.
    """
    bare = bare_name(model)
    known = _from_card(bare) or _from_table(bare)
    if known:
        known = replace(known, model=model)
    flops = _given_flops(model, given or {})
    if flops is not None:
        if known is None:
            return Pretraining(model, "given", None, None, flops, GIVEN)
        return replace(known, tokens=None, flops=flops, source=GIVEN)
    if known is None:
        raise UsageError(
            f"the pre-training compute of {model!r} is not known{_reason(bare)}; "
            f"give it as --flops {model}=NUMBER (such as 1.2e22; 6 x parameters x tokens); "
            f"the models that are known stand in {LIST}"
        )
    return known


def parse_flops(text: str) -> tuple[str, float]:
    """Return (model, FLOPs) from "MODEL=1.2e22".

    The text is split at the last "=", since a model's name may contain one.
    """
    model, _, number = text.rpartition("=")
    model = model.strip()
    if not model:
        raise UsageError(
            f"--flops got {text!r}; expected MODEL=NUMBER, such as Qwen/Qwen2-7B=3.2e23"
        )
    try:
        flops = float(number)
    except ValueError:
        raise UsageError(
            f"--flops got {number!r} for {model!r}; expected a number, such as 3.2e23"
        ) from None
    return model, _checked(model, flops)


def _checked(model: str, flops: float) -> float:
    if not (math.isfinite(flops) and flops > 0):
        raise UsageError(
            f"--flops got {flops:g} for {model!r}; "
            "expected a finite number above zero, such as 3.2e23"
        )
    return flops


def _given_flops(model: str, given: Mapping[str, float]) -> float | None:
    """Return the user's number for this name, else for another name of the same hub model."""
    if model in given:
        return _checked(model, given[model])
    same = [flops for name, flops in given.items() if _hub_id(name) == _hub_id(model)]
    if len(set(same)) > 1:
        raise UsageError(f"--flops gives {model!r} {len(same)} different numbers; expected one")
    return _checked(model, same[0]) if same else None


def _from_card(model: str) -> Pretraining | None:
    card = embedded_models().get(model)
    if card is None:
        return None
    family = "ladder" if card["family"] == "full" else f"ladder {card['family']}"
    return Pretraining(model, family, card["parameters"], card["tokens"], card["flops"], "its card")


def _from_table(model: str) -> Pretraining | None:
    if _is_folder(model):
        return None
    name = _hub_id(model)
    row = _ROWS.get(name)
    if row:
        return Pretraining(model, row.family, row.parameters, row.tokens, row.flops, row.source)
    # Families name a tuned variant "NAME-Instruct", or the base model "NAME-Base".
    row = _ROWS.get(_TUNED.sub("", name)) or _ROWS.get(f"{name}-base")
    if row is None:
        return None
    family = f"{row.family} tuned"
    source = (
        f"{row.source}; of the base model {row.model}, "
        "the compute of instruction tuning is not counted"
    )
    return Pretraining(model, family, row.parameters, row.tokens, row.flops, source)


def _hub_id(model: str) -> str:
    """Return the hub id in lower case, without the engine before it and the URL after it.

    A model that the hub renamed has its present name.
    """
    model = bare_name(model)
    kind, address = find_kind(model)
    if kind.hub_ids and address:
        model = address.partition("@")[0]
    return model.lower().replace(*_RENAMED)


def _is_folder(model: str) -> bool:
    """Return whether an engine would load the name from this machine's disk.

    A folder may contain any model, whatever its name is.
    """
    kind, address = find_kind(model)
    return kind.folder is not None and os.path.isdir(address)


def _reason(model: str) -> str:
    """Return why the compute is not known, to be added to the message; empty if there is none."""
    if _is_folder(model):
        return ": it is a local folder, and its name does not say what is in it"
    reason = _REASONS.get(_TUNED.sub("", _hub_id(model)))
    return f": {reason}" if reason else ""
