"""The settings behind a model's name hold in all rounds; hub ids and adapters as a course's base.

Covers training_folder.py, loaded_model.py and the names of trained models.
"""

from __future__ import annotations

import json
import shlex
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("trl")
peft = pytest.importorskip("peft")

import huggingface_hub.constants
import transformers

import strop
from strop.distill import fit as fit_module
from strop.engines import LADDER, load_engine
from strop.errors import ModelError, RunMismatchError, UsageError
from strop.improvement.course import Course
from strop.improvement.gap_pilot import add_pilot
from strop.improvement.loaded_model import LoadedModel
from strop.improvement.rounds import improve
from strop.improvement.training_folder import training_folder
from strop.progress import Silent
from strop.run.circumstances import circumstances_of
from strop.run.executors import Threads
from strop.run.run import Run
from strop.run.stored import StoredRun
from strop.tasks import Recall

torch.set_num_threads(1)

CHAT = "{% for m in messages %}<s>{{ m['content'] }}\n{% endfor %}"
SETTINGS = "?device=cpu&dtype=float64&chat=false&think=reasoning"
SMALL: dict[str, Any] = {
    "filter_by": "majority",
    "train_problems": 8,
    "problems": 6,
    "samples": 4,
    "settings": {"steps": 2, "batch_size": 4},
}


@pytest.fixture
def chat_model(tmp_path: Path) -> Path:
    """An embedded model that has a chat template, for transformers."""
    folder = tmp_path / "chat"
    shutil.copytree(LADDER / "25k", folder)
    path = folder / "tokenizer_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"chat_template": CHAT}))
    return folder


def record(out: Path, run: str) -> dict[str, Any]:
    return dict(json.loads((out / run / "run.json").read_text()))


def test_all_rounds_have_the_settings_of_the_first(
    chat_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without them, round 1 would be measured through the template, and paired across prompts."""
    trained_on: list[tuple[int, ...]] = []

    def spy(rows: Any, *others: Any) -> Any:
        examples = encode(rows, *others)
        trained_on.extend(tuple(example["prompt"]) for example in examples)
        return examples

    encode = fit_module.encode
    monkeypatch.setattr(fit_module, "encode", spy)
    name, out = f"{chat_model}{SETTINGS}", tmp_path / "run"
    course = Course(name, Recall(), rounds=2, **SMALL)
    result = improve(course, out=out, pilot=True)
    models = [each["model"] for each in result.document["rounds"]]
    assert models == [name, *(f"{out}/round-{number}/model{SETTINGS}" for number in (1, 2))]
    for number, model in enumerate(models):
        for part in ("held-out", "train"):
            described = record(out, f"round-{number}/{part}")["model"]
            assert described["model"] == model and described["dtype"] == "float64"
    assert load_engine(models[1]).thinking == "reasoning"
    prompts = [Run(out / f"round-{number}/held-out").problems["prompt"] for number in (0, 1, 2)]
    assert prompts[0].equals(prompts[1]) and prompts[0].equals(prompts[2])
    assert not prompts[0].str.contains("<s>").any()
    # What was trained on is what the engine sent: plain text, with the tokenizer's own tokens.
    engine = load_engine(name)
    train = Run(out / "round-0" / "train", (), Recall())
    sent = set(map(engine.prompt_tokens, train.plan.solution_prompts(train.stored_problems())))
    assert trained_on and set(trained_on) <= sent
    again = improve(course, out=out, pilot=True)
    assert again.document == result.document


def test_xpo_draws_with_the_settings(chat_model: Path, tmp_path: Path) -> None:
    fields = SMALL | {"filter_by": None, "pairs": 1}
    improve(Course(f"{chat_model}{SETTINGS}", Recall(), "xpo", **fields), out=tmp_path / "run")
    drawn = sorted((tmp_path / "run" / "round-1" / "xpo").glob("*/run.json"))
    assert len(drawn) >= 3
    for file in drawn:
        assert json.loads(file.read_text())["model"]["model"].endswith(SETTINGS)


def test_a_pilot_of_a_gap_run_keeps_the_settings(chat_model: Path, tmp_path: Path) -> None:
    """The next command names them, quoted for a shell, and uses the pilot's samples again."""
    name = f"{chat_model}{SETTINGS}"
    run = strop.gap(
        name, Recall(), verifiers=["mc"], problems=12, samples=4, out=tmp_path / "run", workers=1
    )
    piloted = add_pilot(run, Threads(1), Silent())
    pilot = run.path / "improve" / "round-0" / "pilot"
    assert record(pilot, "train")["model"]["model"] == name
    words = shlex.split(piloted.document["verdict"]["next"])
    assert words[words.index("--model") + 1] == name


def test_a_course_from_before_that_lost_its_settings_does_not_go_on(
    chat_model: Path, tmp_path: Path
) -> None:
    """Its round 1 was measured on other prompts; it can still be read."""
    name, out = f"{chat_model}?device=cpu&chat=false", tmp_path / "run"
    course = Course(name, Recall(), **SMALL)
    before = improve(course, out=out)
    file = out / "round-1" / "held-out" / "run.json"
    stored = json.loads(file.read_text())
    stored["asked"]["model"] = str(out / "round-1" / "model")
    file.write_text(json.dumps(stored))
    with pytest.raises(RunMismatchError, match=r"holds another run \(model "):
        improve(course, out=out)
    gain = before.document["rounds"][1]["gain"]
    assert json.loads((out / "improve.json").read_text())["rounds"][1]["gain"] == gain
    assert Run(out / "round-1" / "held-out").plan.model == str(out / "round-1" / "model")


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A hub id whose snapshot is in the cache; there is no network (HF_HUB_OFFLINE)."""
    cache, commit = tmp_path / "hub", "0" * 39 + "1"
    repository = cache / "models--my-org--tiny"
    shutil.copytree(LADDER / "25k", repository / "snapshots" / commit)
    for revision in ("main", "v1.0"):
        reference = repository / "refs" / revision
        reference.parent.mkdir(parents=True, exist_ok=True)
        reference.write_text(commit)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(cache))
    monkeypatch.setattr(transformers.utils.hub.constants, "HF_HUB_CACHE", str(cache))
    return "my-org/tiny"


@pytest.mark.parametrize("revision", ["", "@v1.0"])
def test_a_hub_model_begins_a_course(hub: str, revision: str, tmp_path: Path) -> None:
    course = Course(f"{hub}{revision}?device=cpu", Recall(), **SMALL)
    result = improve(course, out=tmp_path / "run")
    models = [each["model"] for each in result.document["rounds"]]
    assert models == [course.model, f"{tmp_path}/run/round-1/model?device=cpu"]
    assert record(tmp_path / "run", "round-0/held-out")["model"]["revision"].endswith("01")


def test_a_run_of_a_hub_model_names_the_command_that_trains_it(hub: str, tmp_path: Path) -> None:
    """The revision is in the name, since ``strop improve`` has no option for it."""
    options: dict[str, Any] = {"verifiers": [], "problems": 2, "samples": 2, "workers": 1}
    strop.gap(f"{hub}?device=cpu", Recall(), revision="v1.0", out=tmp_path / "run", **options)
    circumstances = circumstances_of(StoredRun(tmp_path / "run"))
    assert circumstances.can_train
    assert list(circumstances.command[:2]) == ["--model", f"{hub}@v1.0?device=cpu"]


def test_a_model_that_cannot_be_trained_is_refused_before_anything_is_sampled(
    hub: str, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    for name, message in (
        ("my-org/absent", "is no local folder, is not in the hub's cache, and cannot be loaded"),
        (f"{hub}@v2", "is no local folder, is not in the hub's cache, and cannot be loaded"),
        ("openai:m@http://127.0.0.1:9/v1", "its weights cannot be trained from here; give a"),
        (f"{LADDER / '25k'}?adapter={tmp_path}", "has no readable adapter_config.json"),
    ):
        with pytest.raises(ModelError, match=message) as error:
            improve(Course(name, Recall(), **SMALL), out=out)
        assert "\n" not in str(error.value) and not out.exists()
    with pytest.raises(UsageError, match="a question mark begins a model's settings"):
        improve(Course("ladder/25k", Recall(), **SMALL), out=tmp_path / "what?")


def test_a_course_begins_with_the_merged_weights_of_an_adapter(tmp_path: Path) -> None:
    """Trained models need no adapter: the setting is theirs no longer, the others are."""
    adapter = tmp_path / "adapter"
    torch.manual_seed(0)
    model = transformers.AutoModelForCausalLM.from_pretrained(LADDER / "25k")
    laid = peft.get_peft_model(model, peft.LoraConfig(r=4, target_modules=["q_proj"]))
    for parameter_name, parameter in laid.named_parameters():
        if "lora_" in parameter_name:
            torch.nn.init.normal_(parameter, std=0.2)
    laid.save_pretrained(adapter)
    name = f"{LADDER / '25k'}?device=cpu&adapter={adapter}"
    result = improve(Course(name, Recall(), **SMALL), out=tmp_path / "run")
    trained = result.document["rounds"][1]["model"]
    assert trained == f"{tmp_path}/run/round-1/model?device=cpu"
    merged = training_folder(name, tmp_path / "run" / "round-0" / "merged")
    prompts = Run(tmp_path / "run/round-0/held-out", (), Recall())
    asked = prompts.plan.solution_prompts(prompts.stored_problems())
    scores = [
        load_engine(each).score(asked, ["1", "22"]).logprobs_PC
        for each in (name, f"{merged}?device=cpu", f"{LADDER / '25k'}?device=cpu")
    ]
    np.testing.assert_allclose(scores[0], scores[1], atol=1e-4)
    assert np.abs(scores[0] - scores[2]).max() > 0.01


def test_one_model_is_loaded_at_a_time() -> None:
    """Two engines of vLLM do not fit on one GPU."""
    loaded: list[str] = []

    class Counting(Threads):
        def load(self, model: str, revision: str | None = None) -> strop.Engine:
            assert models.engine is None
            loaded.append(model)
            return super().load(model, revision)

    models = LoadedModel(Counting(1))
    for name in ("ladder/25k", "ladder/25k", "ladder/40k", "ladder/25k"):
        assert models.load(name).name == name
    models.release()
    assert models.engine is None and loaded == ["ladder/25k", "ladder/40k", "ladder/25k"]
