"""``lm-eval:NAME`` compared with lm-evaluation-harness itself, on the same model and file."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import lm_eval
import pytest
from lm_eval.models.huggingface import HFLM
from lm_eval.tasks import TaskManager

import strop
from strop.engines import load_engine
from strop.errors import UsageError
from strop.ladder import recipes
from strop.tasks import Arithmetic, LmEval, find_task
from strop.tasks import lm_eval as adapter
from strop.tasks.dataset import ROWS

HARNESS = Path(lm_eval.__file__).parent / "tasks"
MODEL = "250k"
FOLDER = Path(recipes.__file__).parent / "models" / MODEL

CHAINS = """
task: chains
output_type: generate_until
training_split: train
fewshot_split: train
test_split: test
doc_to_text: "Question: {{question}}\\nAnswer:"
doc_to_target: "{{answer}}"
metric_list:
  - metric: exact_match
    aggregation: mean
    higher_is_better: true
generation_kwargs: {until: ["\\nQuestion:"], do_sample: false, max_gen_toks: 48}
num_fewshot: 0
filter_list:
  - name: strict-match
    filter:
      - {function: regex, regex_pattern: "#([0-9])$"}
      - {function: take_first}
  - name: flexible-extract
    filter:
      - {function: regex, group_select: -1, regex_pattern: "([0-9])"}
      - {function: take_first}
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Write local files in two schemas, and tasks of the harness that read them."""
    path = tmp_path_factory.mktemp("harness")
    task = Arithmetic()
    chains = [
        {"question": problem.question, "answer": problem.reference, "split": split}
        for split, count in (("train", 20), ("test", 60))
        for problem in task.problems(split, count, seed=3)
    ]
    grade_school = [
        json.loads(line) for line in (ROWS / "gsm8k.jsonl").read_text(encoding="utf-8").splitlines()
    ]
    for name, rows in (("chains", chains), ("gsm8k", grade_school)):
        (path / f"{name}.jsonl").write_text(
            "".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8"
        )
        for split in ("train", "test"):
            part = [
                {key: value for key, value in row.items() if key != "split"}
                for row in rows
                if row["split"] == split
            ]
            (path / f"{name}-{split}.json").write_text(
                "".join(json.dumps(row) + "\n" for row in part), encoding="utf-8"
            )
        files = (
            f"  data_files: {{train: {path}/{name}-train.json, test: {path}/{name}-test.json}}\n"
        )
        (path / f"{name}-data.yaml").write_text(
            f"include: {path / name}.yaml\ntask: {name}-data\n"
            f"dataset_path: json\ndataset_name: null\ndataset_kwargs:\n{files}"
        )
    (path / "chains.yaml").write_text(CHAINS)
    (path / "gsm8k.yaml").write_text(
        f"include: {HARNESS}/gsm8k/gsm8k.yaml\ntask: gsm8k\n"
        "generation_kwargs: {until: ['Question:', '</s>'], do_sample: false, max_gen_toks: 32}\n"
    )
    yield path
    adapter._pool.cache_clear()


@pytest.fixture(scope="module")
def harness_model() -> HFLM:
    return HFLM(pretrained=str(FOLDER), device="cpu", dtype="float32", batch_size=8)


@pytest.mark.parametrize(("name", "shots"), [("chains", 0), ("gsm8k", 2)])
def test_greedy_accuracy_is_the_harness_s_own(
    name: str, shots: int, folder: Path, harness_model: HFLM, tmp_path: Path
) -> None:
    """Two ways to read the data, two engines and two loops give one number.

    The data comes from a custom data set, or from the harness's own json loader.
    """
    theirs = lm_eval.simple_evaluate(
        model=harness_model,
        tasks=[str(folder / f"{name}-data.yaml")],
        num_fewshot=shots or None,
        task_manager=TaskManager(include_defaults=False),
        bootstrap_iters=0,
    )
    results, samples = theirs["results"][f"{name}-data"], theirs["samples"][f"{name}-data"]
    task = find_task(f"lm-eval:{folder / name}.yaml", folder / f"{name}.jsonl")
    size = task.size("test")
    run = strop.gap(
        f"ladder/{MODEL}",
        task,
        verifiers=["logprob"],
        problems=size,
        samples=1,
        temperature=0.0,
        shots=shots,
        out=tmp_path / "run",
    )
    rows = run.responses.to_dicts()
    assert len(rows) == size == results["sample_len"]
    assert sum(row["utility_strict"] for row in rows) / size == results["exact_match,strict-match"]
    texts = {sample["doc_id"]: sample["resps"][0][0] for sample in samples}
    same = sum(
        texts[int(row["problem"].rsplit("-", 1)[1])].strip() == row["text"].strip() for row in rows
    )
    assert same == size
    flexible = {
        sample["doc_id"]: sample["exact_match"]
        for sample in samples
        if sample["filter"] == "flexible-extract"
    }
    for row in rows:
        assert row["utility_flexible"] == max(
            row["utility_strict"], flexible[int(row["problem"].rsplit("-", 1)[1])]
        )
    if name == "chains":
        assert 0 < results["exact_match,strict-match"] < 1, "equality of noughts would show little"


def test_prompts_stops_and_answers_are_the_harness_s(folder: Path) -> None:
    task = find_task(f"lm-eval:{folder}/gsm8k.yaml", folder / "gsm8k.jsonl")
    assert (task.default_shots, task.max_tokens, task.stop) == (5, 32, ("Question:", "</s>"))
    problem = task.problems("test", 1, seed=0)[0]
    assert task.context(problem, 0) == f"Question: {problem.question}\nAnswer:"
    assert task.context(problem, 3).count("Question:") == 4
    gold = task.gold_response(problem)
    right, wrong = task.grade(gold, problem), task.grade("#### 123456", problem)
    assert (right.utility_strict, right.utility_flexible, right.answer_strict) == (
        1.0,
        1.0,
        problem.metadata["answer"],
    )
    assert (wrong.utility_strict, wrong.utility_flexible, wrong.answer_strict) == (
        0.0,
        0.0,
        "123456",
    )
    late = task.grade(f"{gold}\nso 77 it is", problem)
    assert (late.utility_strict, late.utility_flexible) == (
        1.0,
        1.0,
    )  # the harness's flexible filter reads 77
    none = task.grade("no idea", problem)
    assert (none.answer_strict, none.answer_flexible, none.utility_flexible) == (None, None, 0.0)
    source = task.source()
    assert (
        source["filters"] == ["strict-match", "flexible-extract"]
        and source["metric"] == "exact_match"
        and source["digest"]
    )
    assert (
        task.label == f"lm-eval:{folder}/gsm8k.yaml"
        and find_task(task.label, folder / "gsm8k.jsonl") == task
    )


def test_examples_of_checks_come_from_the_examples(folder: Path) -> None:
    task = find_task(f"lm-eval:{folder}/gsm8k.yaml", folder / "gsm8k.jsonl")
    shots = task.shots(4, seed=0)
    tested = {problem.question for problem in task.problems("test", task.size("test"), seed=0)}
    assert not tested & {shot.question for shot in shots}
    judged = task.judged(shots)
    assert [check.correct for _, _, check in judged] == [True, False, True, False]
    assert judged[0][2].text == f"The answer is {shots[0].metadata['answer']}."


def test_examples_that_are_test_problems_are_shown_to_no_verifier(folder: Path) -> None:
    (folder / "same.yaml").write_text(
        f"include: {folder}/chains.yaml\ntask: same\n"
        "fewshot_split: test\ntraining_split: null\nnum_fewshot: 2\n"
    )
    task = find_task(f"lm-eval:{folder}/same.yaml", folder / "chains.jsonl")
    problem = task.problems("test", 1, seed=0)[0]
    assert task.context(problem, 2).count(f"Question: {problem.question}\n") == 1
    with pytest.raises(
        UsageError,
        match="takes its examples from its test problems: "
        "a verifier would be shown answers; use --shots 0",
    ):
        task.judged(task.shots(2, seed=0))


def test_a_file_without_train_rows_has_no_examples(folder: Path) -> None:
    (folder / "bare.csv").write_text("question,answer\n1+1=,#### 2\n2+2=,#### 4\n")
    task = find_task(f"lm-eval:{folder}/gsm8k.yaml", folder / "bare.csv")
    assert (task.size("test"), task.size("train")) == (2, 0)
    problem = task.problems("test", 1, seed=0)[0]
    assert task.grade(str(problem.reference), problem).utility_strict == 1.0 and task.context(
        problem, 0
    ).startswith("Question: ")


def test_the_harness_s_grading_of_mathematics(folder: Path) -> None:
    """The harness's grader uses signals, so it needs a main thread; sympy compares answers."""
    rows = [
        {
            "problem": "What is half of 3?",
            "solution": r"It is $\boxed{\frac{3}{2}}$.",
            "type": "Algebra",
            "level": "Level 1",
        }
    ]
    (folder / "mathematics.json").write_text(json.dumps(rows))
    task = find_task("lm-eval:minerva_math_algebra", folder / "mathematics.json")
    problem = task.problems("test", 1, seed=0)[0]
    text = "Final Answer: The final answer is $1.5$. I hope it is correct."
    with ThreadPoolExecutor(1) as pool:
        right, wrong = (
            pool.submit(task.grade, one, problem).result()
            for one in (text, text.replace("1.5", "2.5"))
        )
    assert (right.utility_strict, wrong.utility_strict) == (1.0, 0.0)
    assert task.default_shots == 4 and task.size("train") == 4


REFUSED: dict[str, tuple[str, str]] = {
    "code": (
        f"include: {HARNESS}/humaneval/humaneval.yaml\ntask: code\n",
        "runs the code that a model writes; strop does not run it",
    ),
    "remote": (
        "dataset_kwargs: {trust_remote_code: true}\n",
        "asks to run code that comes with its data set",
    ),
    "fetched": (
        "metric_list: [{metric: wer, hf_evaluate: true}]\n",
        "is graded by code that is fetched from the hub",
    ),
    "choices": (
        "output_type: multiple_choice\n",
        "is of the kind multiple_choice, which generates nothing; expected generate_until",
    ),
    "perplexed": ("output_type: loglikelihood_rolling\n", "is of the kind loglikelihood_rolling"),
    "seen": ("doc_to_image: image\n", "shows images or sounds"),
    "corpus": (
        "metric_list: [{metric: bleu, aggregation: bleu, higher_is_better: true}]\n",
        "is graded by bleu, which is no mean",
    ),
    "absent": (
        'doc_to_text: "{{missing.field}}"\n',
        r"cannot load the task .*absent.yaml \(\w+: .*missing",
    ),
    "two-shots": ("", "has no examples by its own settings; use --shots 0"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_strop_does_not_run_is_refused_in_one_line(name: str, folder: Path) -> None:
    text, message = REFUSED[name]
    own = (
        text
        if text.startswith("include")
        else f"include: {folder}/chains.yaml\ntask: {name}\n{text}"
    )
    (folder / f"{name}.yaml").write_text(own)
    task = LmEval(str(folder / f"{name}.yaml"), data=str(folder / "chains.jsonl"))
    with pytest.raises(UsageError, match=message) as caught:
        task.context(task.problems("test", 1, seed=0)[0], 2)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("gsm9k", "lm-eval has no task 'gsm9k'"),
        ("mmlu", "is a group of tasks"),
        ("no/such.yaml", "there is no file no/such.yaml"),
    ],
)
def test_names_that_are_no_task(name: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        LmEval(name).size("test")


def test_too_many_shots_and_problems(folder: Path) -> None:
    task = find_task(f"lm-eval:{folder}/gsm8k.yaml", folder / "gsm8k.jsonl")
    with pytest.raises(UsageError, match=r"asked for 99 test problems of .* but there are 28"):
        task.problems("test", 99, seed=0)
    with pytest.raises(UsageError, match=r"asked for 99 shots of .* but there are 12"):
        task.context(task.problems("test", 1, seed=0)[0], 99)


def test_a_stored_run_is_read_without_the_harness(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options: dict[str, Any] = {
        "problems": 4,
        "samples": 2,
        "shots": 1,
        "max_tokens": 8,
        "verifiers": ["mc"],
    }
    task = find_task(f"lm-eval:{folder}/gsm8k.yaml", folder / "gsm8k.jsonl")
    strop.gap("ladder/25k", task, out=tmp_path / "run", **options)
    engine = load_engine("ladder/25k")

    def refuse(*_: Any) -> None:
        raise AssertionError("the harness was asked")

    monkeypatch.setattr(adapter, "_ask", refuse)
    adapter._description.cache_clear()
    run = strop.Run(tmp_path / "run")
    assert run.document["task"] == task.label and run.document["accuracy"]["n"] == 4
    assert run.report().is_file()
    assert engine.name == run.plan.model


def test_the_worker_is_bounded(folder: Path) -> None:
    """A metric that never ends counts as wrong, and the next response is graded."""
    (folder / "slow.py").write_text(
        "def slow(doc, results):\n    while results[0] == 'hang':\n        pass\n"
        "    return {'exact_match': float(results[0] == doc['answer'])}\n"
    )
    (folder / "slow.yaml").write_text(
        f"include: {folder}/chains.yaml\ntask: slow\n"
        "process_results: !function slow.slow\nfilter_list: null\n"
    )
    task = LmEval(str(folder / "slow.yaml"), data=str(folder / "chains.jsonl"))
    problem = task.problems("test", 1, seed=0)[0]
    hung = task.grade("hang", problem)
    assert (hung.utility_flexible, hung.found_by) == (0.0, "not graded: timed out")
    assert task.grade(str(problem.reference), problem).utility_strict == 1.0
