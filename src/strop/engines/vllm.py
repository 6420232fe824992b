"""Any causal language model in Hugging Face format, run by vLLM's offline engine: ``vllm:NAME``.

Every sample is a request of its own with its own seed: vLLM's ``n`` would give the samples of a
prompt the seeds s, s + 1, ..., and would count the cached tokens of only one of them. The prompt is
shared all the same, through the prefix cache, block by block; on the CPU build the two ways drew
the same samples in the same time (``benchmarks/vllm_seeds.py``). A sample depends on its prompt and
seed, up to the rounding of matrix products between batch shapes.

vLLM runs in this process unless the environment says otherwise: its schedule is then the same every
time, its errors reach the user, and a script needs no main guard (except with tensor_parallel_size
above 1, whose workers are processes).
"""

from __future__ import annotations

import importlib.util
import os
import time
import weakref
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from strop.engines.adapter import check_shapes, find_base
from strop.engines.adapter import read_config as read_adapter_config
from strop.engines.base import Engine, Generation, Request, Scored
from strop.engines.batch_size import attention_width
from strop.engines.checkpoint import fingerprint, one_line, read_config
from strop.engines.hub import commit_of, snapshot
from strop.engines.options import ADAPTER
from strop.engines.rendering import Ids, Renderer
from strop.errors import MissingExtraError, ModelError, UsageError
from strop.records import Finish, Prompt, Sample, Sampling, Usage

OPTIONS: dict[str, type] = {
    "dtype": str,
    "tensor_parallel_size": int,
    "gpu_memory_utilization": float,
    "max_model_len": int,
    "max_num_seqs": int,
    "block_size": int,
    "enforce_eager": bool,
    "chat": bool,
    ADAPTER: str,
}
DTYPES = ("float32", "bfloat16", "float16")
LORA_RANKS = (8, 16, 32, 64, 128, 256, 320, 512)
"""The largest ranks that vLLM can be told to make room for."""
MOST_TOKEN_IDS = 128
"""Most tokens whose log-probabilities one request may name."""
_ENVIRONMENT = {
    "VLLM_ENABLE_V1_MULTIPROCESSING": "0",
    "VLLM_LOGGING_STREAM": "ext://sys.stderr",  # stdout belongs to --json
    "VLLM_LOGGING_LEVEL": "ERROR",
    "VLLM_NO_USAGE_STATS": "1",
}

# vLLM's engines of this process that are open, and those of them that are no longer used.
_open: list[Any] = []
_closed: list[Any] = []


class VllmEngine(Engine):
    """A model run by vLLM.

    ``dtype``: by default float32 on the CPU, else bfloat16.
    ``chat``: False ignores the tokenizer's chat template.
    ``adapter``: the folder of a LoRA adapter, which vLLM computes beside the weights.
    ``label``: the name that the user gave, with its settings.
    The other settings are vLLM's, with its defaults; on the CPU, ``enforce_eager`` is true by
    default.
    """

    def __init__(
        self,
        name: str,
        *,
        revision: str | None = None,
        dtype: str | None = None,
        chat: bool | None = None,
        adapter: str | None = None,
        label: str | None = None,
        **settings: Any,
    ) -> None:
        library = importlib.util.find_spec("vllm")
        # An ordinary folder called vllm is found too; it has no origin.
        if library is None or library.origin is None:
            raise MissingExtraError("the vLLM engine", "vllm")
        if dtype is not None and dtype not in DTYPES:
            raise UsageError(f"dtype '{dtype}' is not known; expected one of {', '.join(DTYPES)}")
        _check_settings(settings)
        self.shares_prefix = True
        self._source, self._adapter = find_base(name, adapter)
        self._name = label or name
        source, config = read_config(self._source, revision)
        loras = {}
        if self._adapter:
            loras = _lora_settings(self._adapter)
            _check_base(source, revision, self._adapter)
        for variable, value in _ENVIRONMENT.items():
            os.environ.setdefault(variable, value)
        with one_line(name, Exception):  # vLLM's own checks raise anything, bare assertions too
            import torch
            import vllm
            from vllm.platforms import current_platform

            self._device = str(current_platform.device_type)
            self._versions = {"vllm": vllm.__version__, "torch": str(torch.__version__)}
            on_cpu = self._device == "cpu"
            self._dtype = dtype or ("float32" if on_cpu else "bfloat16")
            defaults = {}
            if on_cpu:
                # With chunked prefill, the CPU build fails on a seeded request that it reads in
                # two parts ("CPU Generator does not use offset").
                defaults = {"enforce_eager": True, "enable_chunked_prefill": False}
            self._llm = vllm.LLM(
                model=source,
                revision=revision,
                tokenizer_revision=revision,
                dtype=self._dtype,
                trust_remote_code=False,
                load_format="safetensors",
                enable_prefix_caching=True,
                logprobs_mode="raw_logprobs",
                use_tqdm_on_load=False,
                **(defaults | loras | settings),
            )
            self._lora = self._add_adapter(self._adapter) if self._adapter else None
        # Known only now: vLLM has loaded the model from the hub.
        self._commit = commit_of(self._source, revision) or revision
        _open.append(self._llm)
        weakref.finalize(self, _close, self._llm).atexit = False
        self._sampling_params: Any = vllm.SamplingParams
        self._settings = settings
        self._context = int(self._llm.llm_engine.model_config.max_model_len)
        self._parameters = _count_parameters(config)
        self._text_config = config.get_text_config()
        family = str(self._text_config.model_type)
        self._renderer = Renderer.for_model(self._name, self._llm.get_tokenizer(), chat, family)

    def _add_adapter(self, folder: Path) -> Any:
        """Let vLLM load the adapter, which it refuses here if it cannot; return its request."""
        from vllm.lora.request import LoRARequest

        request = LoRARequest(folder.name, 1, str(folder.resolve()))
        self._llm.llm_engine.add_lora(request)
        return request

    @property
    def name(self) -> str:
        return self._name

    @property
    def parameters(self) -> int:
        return self._parameters

    @property
    def attention_width(self) -> int:
        return attention_width(self._text_config)

    @property
    def context(self) -> int | None:
        return self._context

    @property
    def fingerprint(self) -> str:
        base = fingerprint(self._source, self._commit)
        return f"{base}+{fingerprint(str(self._adapter), None)}" if self._adapter else base

    def describe(self) -> dict[str, str | int | float]:
        facts = super().describe()
        facts["dtype"] = self._dtype
        facts["device"] = self._device
        facts["max_model_len"] = self._context
        facts.update(self._settings)
        facts.update(self._versions)
        if self._adapter:
            facts["base"] = self._source
            facts[ADAPTER] = str(self._adapter)
        if self._commit:
            facts["revision"] = self._commit
        return facts

    def render(self, prompt: Prompt) -> str:
        return self._renderer.render(prompt)

    def count_tokens(self, prompt: Prompt) -> int:
        return self._renderer.count_tokens(prompt)

    def prompt_tokens(self, prompt: Prompt) -> Ids:
        return self._renderer.tokens(prompt)

    def sample(self, requests: Sequence[Request], sampling: Sampling) -> Generation:
        """Draw the responses. Raise UsageError if a prompt and ``max_tokens`` do not fit."""
        started = time.perf_counter()
        prompts: list[Ids] = []
        params = []
        for request in requests:
            ids = self._renderer.prompt_ids(self, request.prompt, sampling.max_tokens)
            for seed in request.seeds:
                prompts.append(ids)
                params.append(self._params_for_drawing(sampling, seed))
        outputs = self._generate(prompts, params)
        drawn = [self._read_sample(output) for output in outputs]
        usage = self._usage(outputs, started, [len(sample.token_ids or ()) for sample in drawn])
        remaining = iter(drawn)
        samples = []
        for request in requests:
            samples.append([next(remaining) for _ in request.seeds])
        return Generation(samples, usage)

    def score(self, prompts: Sequence[Prompt], continuations: Sequence[str]) -> Scored:
        """Return log-probabilities (P, C), over whole token sequences.

        For each token of a continuation, one token is generated after the tokens before it, and
        the log-probability of the wanted token is read. Unlike vLLM's ``prompt_logprobs``, this
        uses the prefix cache, and requests that continuations share are made once.
        """
        started = time.perf_counter()
        jobs = {}
        if continuations:
            for prompt in dict.fromkeys(prompts):
                jobs[prompt] = self._renderer.scoring_job(self, prompt, continuations)
        # The tokens before each wanted token, with the wanted tokens and their log-probabilities.
        wanted: dict[Ids, dict[int, float]] = {}
        for ids, endings in jobs.values():
            for ending in endings:
                for index, token in enumerate(ending):
                    wanted.setdefault((*ids, *ending[:index]), {})[token] = 0.0
        outputs = self._read_logprobs(wanted)
        logprobs_PC = np.zeros((len(prompts), len(continuations)))
        if continuations:
            for p, prompt in enumerate(prompts):
                ids, endings = jobs[prompt]
                for c, ending in enumerate(endings):
                    logprobs_PC[p, c] = sum(
                        wanted[(*ids, *ending[:index])][token] for index, token in enumerate(ending)
                    )
        return Scored(logprobs_PC, self._usage(outputs, started))

    def _read_logprobs(self, wanted: dict[Ids, dict[int, float]]) -> list[Any]:
        """Fill in the log-probability of every wanted token after its tokens.

        Returns vLLM's outputs, which hold its token counts.
        """
        jobs: list[tuple[Ids, list[int]]] = []
        params = []
        for ids, logprobs in wanted.items():
            tokens = list(logprobs)
            for start in range(0, len(tokens), MOST_TOKEN_IDS):
                part = tokens[start : start + MOST_TOKEN_IDS]
                jobs.append((ids, part))
                params.append(
                    self._sampling_params(
                        temperature=0,
                        max_tokens=1,
                        logprob_token_ids=part,
                        detokenize=False,
                        skip_clone=True,
                    )
                )
        outputs = self._generate([ids for ids, _ in jobs], params)
        for (ids, tokens), output in zip(jobs, outputs, strict=True):
            [step] = output.outputs[0].logprobs
            for token in tokens:
                wanted[ids][token] = step[token].logprob
        return outputs

    def _params_for_drawing(self, sampling: Sampling, seed: int) -> Any:
        # Every field that shapes the distribution is given: vLLM would fill in others from the
        # model's generation config.
        return self._sampling_params(
            temperature=sampling.temperature,
            top_p=sampling.top_p,
            top_k=0,
            min_p=0.0,
            repetition_penalty=1.0,
            seed=seed,
            max_tokens=sampling.max_tokens,
            stop=list(sampling.stop),
            logprobs=0,
        )

    def _generate(self, prompts: Sequence[Ids], params: Sequence[Any]) -> list[Any]:
        if not prompts:
            return []
        requests = [{"prompt_token_ids": list(ids)} for ids in prompts]
        outputs = self._llm.generate(
            requests, list(params), use_tqdm=False, lora_request=self._lora
        )
        return list(outputs)

    def _read_sample(self, output: Any) -> Sample:
        [written] = output.outputs
        if written.finish_reason not in ("stop", "length"):
            raise ModelError(
                f"{self._name}: vLLM broke off a response ({written.finish_reason}); "
                "its messages above say why"
            )
        finish: Finish = "end"
        if written.finish_reason == "length":
            finish = "length"
        elif isinstance(written.stop_reason, str):  # a stop string; an end token gives a number
            finish = "stop"
        steps = zip(written.logprobs, written.token_ids, strict=True)
        logprob = sum(step[token].logprob for step, token in steps)
        return Sample(written.text, tuple(written.token_ids), logprob, finish)

    def _usage(self, outputs: Sequence[Any], started: float, written: Sequence[int] = ()) -> Usage:
        """Return vLLM's own counts: prompt tokens that it ran, and those found in its cache.

        ``written``: the number of tokens generated after each prompt; none when scoring.
        """
        lengths = [len(output.prompt_token_ids) for output in outputs]
        cached = [output.num_cached_tokens for output in outputs]
        flops = sum(
            self.forward_flops(start, stop) for start, stop in zip(cached, lengths, strict=True)
        )
        flops += sum(
            self.response_flops(length, tokens)
            for length, tokens in zip(lengths, written, strict=False)
        )
        return Usage(
            prompt_tokens=sum(lengths) - sum(cached),
            cached_tokens=sum(cached),
            generated_tokens=sum(written),
            flops=flops,
            seconds=time.perf_counter() - started,
        )


def _lora_settings(adapter: Path) -> dict[str, Any]:
    """Return vLLM's settings for an adapter: room for its rank, and the adapter's tokenizer.

    Raise ModelError for a folder without a LoRA adapter, and for a rank that vLLM has no room for.
    """
    rank = int(read_adapter_config(adapter)["r"])
    room = next((largest for largest in LORA_RANKS if largest >= rank), None)
    if room is None:
        raise ModelError(
            f"adapter {adapter} has rank {rank}, and vLLM takes {LORA_RANKS[-1]} at most; "
            "merge it into its base model (PEFT's merge_and_unload) and give that folder"
        )
    settings: dict[str, Any] = {"enable_lora": True, "max_loras": 1, "max_lora_rank": room}
    # Training may have changed the chat template.
    if (adapter / "tokenizer_config.json").is_file():
        settings["tokenizer"] = str(adapter)
    return settings


def _check_base(source: str, revision: str | None, adapter: Path) -> None:
    """Raise ModelError for an adapter of another model, which vLLM would compute all the same."""
    base = Path(source)
    if not base.is_dir():
        hub_id = source if revision is None else f"{source}@{revision}"
        base = snapshot(hub_id, download=True) or base  # vLLM loads the same files next
    check_shapes(base, adapter)


def _check_settings(settings: dict[str, Any]) -> None:
    for key, value in settings.items():
        if key not in OPTIONS:
            raise UsageError(f"there is no setting {key!r}; there are {', '.join(OPTIONS)}")
        if value <= 0 and OPTIONS[key] is not bool:
            raise UsageError(f"{key} is {value}; expected a positive number")


def _close(llm: Any) -> None:
    """Shut vLLM's engines down once all are closed.

    The engines of one process share its process group: the first to shut down would end it for the
    others.
    """
    _closed.append(llm)
    if len(_closed) == len(_open):
        for engine in _closed:
            engine.llm_engine.engine_core.shutdown()
        _open.clear()
        _closed.clear()


def _count_parameters(config: Any) -> int:
    """Count the parameters of transformers' model of this config; 0 if transformers has none.

    The model is made on the meta device, which takes no memory.
    """
    import torch
    from transformers import AutoModelForCausalLM

    try:
        with torch.device("meta"):
            model = AutoModelForCausalLM.from_config(config, trust_remote_code=False)
    except ValueError:
        return 0
    return int(model.num_parameters())
