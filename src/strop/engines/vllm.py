"""Any causal language model in Hugging Face format, run by vLLM's offline engine: ``vllm:NAME``, on CPU or GPU.

Every sample is a request of its own with its own seed: vLLM's ``n`` would give the samples of a prompt the seeds s, s + 1, ..., and
counts the cached tokens of one of them only. The prompt is shared all the same, through the prefix cache, block by block; on the CPU
build the two ways drew the same and took the same time (``benchmarks/vllm_seeds.py``). A sample depends on its prompt and seed, up to
the rounding of matrix products between batch shapes.

vLLM runs in this process unless the environment says otherwise: its schedule is then the same every time, what goes wrong reaches the
user, and a script needs no main guard (but for tensor_parallel_size above 1, whose workers are processes).
"""

from __future__ import annotations

import importlib.util
import os
import time
import weakref
from collections.abc import Sequence
from typing import Any

import numpy as np

from strop.engines.base import Engine, Generation, Request, Scored
from strop.engines.batch_size import attention_heads, head_size
from strop.engines.checkpoint import fingerprint, one_line, read_config
from strop.engines.rendering import Ids, Texts
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
}
DTYPES = ("float32", "bfloat16", "float16")
MOST_TOKEN_IDS = 128
"""How many tokens' log-probabilities one request may ask for by name."""
_ENVIRONMENT = {
    "VLLM_ENABLE_V1_MULTIPROCESSING": "0",
    "VLLM_LOGGING_STREAM": "ext://sys.stderr",  # stdout belongs to --json
    "VLLM_LOGGING_LEVEL": "ERROR",
    "VLLM_NO_USAGE_STATS": "1",
}

_open: list[Any] = []
_closed: list[Any] = []


class VllmEngine(Engine):
    """A model run by vLLM. ``dtype`` defaults to float32 on the CPU, else bfloat16; on the CPU, ``enforce_eager`` to true.

    ``chat`` False: plain text, though the tokenizer has a chat template. The other settings are vLLM's, with its defaults. ``label``: what
    the user called the model, with its settings.
    """

    def __init__(
        self,
        name: str,
        *,
        revision: str | None = None,
        dtype: str | None = None,
        chat: bool | None = None,
        label: str | None = None,
        **settings: Any,
    ) -> None:
        library = importlib.util.find_spec("vllm")
        if library is None or library.origin is None:  # a mere folder of that name is no library
            raise MissingExtraError("the vLLM engine", "vllm")
        if dtype is not None and dtype not in DTYPES:
            raise UsageError(f"dtype '{dtype}' is not known; expected one of {', '.join(DTYPES)}")
        for key, value in settings.items():
            if key not in OPTIONS:
                raise UsageError(f"there is no setting {key!r}; there are {', '.join(OPTIONS)}")
            if value <= 0 and OPTIONS[key] is not bool:
                raise UsageError(f"{key} is {value}; expected a positive number")
        self._place, self._name = name, label or name
        source, config = read_config(name, revision)
        self._commit = getattr(config, "_commit_hash", None) or revision
        for variable, value in _ENVIRONMENT.items():
            os.environ.setdefault(variable, value)
        with one_line(name, Exception):  # vLLM's own checks raise anything, bare assertions too
            import torch
            import vllm
            from vllm.platforms import current_platform

            self._device, self._versions = (
                str(current_platform.device_type),
                {"vllm": vllm.__version__, "torch": str(torch.__version__)},
            )
            on_cpu = self._device == "cpu"
            self._dtype = dtype or ("float32" if on_cpu else "bfloat16")
            # The CPU build cannot go on with a seeded request after half a prompt ("CPU Generator does not use offset").
            defaults = {"enforce_eager": True, "enable_chunked_prefill": False} if on_cpu else {}
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
                **(defaults | settings),
            )
        _open.append(self._llm)
        weakref.finalize(self, _close, self._llm).atexit = False
        self._sampling_params: Any = vllm.SamplingParams
        self._texts = Texts.of(self._name, self._llm.get_tokenizer(), chat)
        self._settings = settings
        self._context = int(self._llm.llm_engine.model_config.max_model_len)
        self._parameters, self._text_config = _count_parameters(config), config.get_text_config()

    @property
    def name(self) -> str:
        return self._name

    @property
    def parameters(self) -> int:
        return self._parameters

    @property
    def attention_width(self) -> int:
        return (
            int(self._text_config.num_hidden_layers)
            * attention_heads(self._text_config)
            * head_size(self._text_config)
        )

    @property
    def context(self) -> int | None:
        return self._context

    @property
    def fingerprint(self) -> str:
        return fingerprint(self._place, self._commit)

    def describe(self) -> dict[str, str | int | float]:
        facts: dict[str, Any] = {
            "dtype": self._dtype,
            "device": self._device,
            "max_model_len": self._context,
        }
        return (
            super().describe()
            | facts
            | self._settings
            | self._versions
            | ({"revision": self._commit} if self._commit else {})
        )

    def render(self, prompt: Prompt) -> str:
        return self._texts.render(prompt)

    def count_tokens(self, prompt: Prompt) -> int:
        return len(self._texts.encode(self.render(prompt)))

    def sample(self, requests: Sequence[Request], sampling: Sampling) -> Generation:
        """Draw the responses. UsageError where a prompt and ``max_tokens`` do not fit the model."""
        started = time.perf_counter()
        prompts = [
            self._texts.prompt_ids(self, self.render(request.prompt), sampling.max_tokens)
            for request in requests
        ]
        pairs = [
            (ids, seed)
            for ids, request in zip(prompts, requests, strict=True)
            for seed in request.seeds
        ]
        outputs = self._generate(
            [ids for ids, _ in pairs], [self._drawing(sampling, seed) for _, seed in pairs]
        )
        drawn = map(self._read, outputs)
        samples = [[next(drawn) for _ in request.seeds] for request in requests]
        return Generation(
            samples,
            self._usage(
                outputs, started, [len(sample.token_ids or ()) for row in samples for sample in row]
            ),
        )

    def score(self, prompts: Sequence[Prompt], continuations: Sequence[str]) -> Scored:
        """Log-probabilities (P, C), by whole token sequences.

        For each place in a continuation, one token is generated after what stands before it and the wanted token's log-probability
        read off: unlike vLLM's ``prompt_logprobs``, this uses the prefix cache, and what continuations share is asked once.
        """
        started = time.perf_counter()
        texts = [self.render(prompt) for prompt in prompts]
        jobs = {
            text: self._texts.scoring_job(self, text, continuations)
            for text in dict.fromkeys(texts)
            if continuations
        }
        wanted: dict[Ids, dict[int, float]] = {}
        for ids, endings in jobs.values():
            for ending in endings:
                for place, token in enumerate(ending):
                    wanted.setdefault((*ids, *ending[:place]), {})[token] = 0.0
        outputs = self._read_off(wanted)
        logprobs_PC = np.zeros((len(prompts), len(continuations)))
        for p, text in enumerate(texts if continuations else []):
            ids, endings = jobs[text]
            for c, ending in enumerate(endings):
                logprobs_PC[p, c] = sum(
                    wanted[(*ids, *ending[:place])][token] for place, token in enumerate(ending)
                )
        return Scored(logprobs_PC, self._usage(outputs, started))

    def _read_off(self, wanted: dict[Ids, dict[int, float]]) -> list[Any]:
        """Fill in the log-probability of every wanted token after its tokens; vLLM's outputs, for what they counted."""
        asked = [
            (ids, list(tokens)[start : start + MOST_TOKEN_IDS])
            for ids, tokens in wanted.items()
            for start in range(0, len(tokens), MOST_TOKEN_IDS)
        ]
        params = [
            self._sampling_params(
                temperature=0,
                max_tokens=1,
                logprob_token_ids=tokens,
                detokenize=False,
                skip_clone=True,
            )
            for _, tokens in asked
        ]
        outputs = self._generate([ids for ids, _ in asked], params)
        for (ids, tokens), output in zip(asked, outputs, strict=True):
            [step] = output.outputs[0].logprobs
            wanted[ids].update({token: step[token].logprob for token in tokens})
        return outputs

    def _drawing(self, sampling: Sampling, seed: int) -> Any:
        """Every field that shapes the distribution is given: vLLM would fill in others from the model's generation config."""
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
        asked = [{"prompt_token_ids": list(ids)} for ids in prompts]
        return list(self._llm.generate(asked, list(params), use_tqdm=False))

    def _read(self, output: Any) -> Sample:
        [written] = output.outputs
        if written.finish_reason not in ("stop", "length"):
            raise ModelError(
                f"{self._name}: vLLM broke off a response ({written.finish_reason}); its messages above say why"
            )
        by_string = isinstance(written.stop_reason, str)
        finish: Finish = (
            "length" if written.finish_reason == "length" else "stop" if by_string else "end"
        )
        logprob = sum(
            step[token].logprob
            for step, token in zip(written.logprobs, written.token_ids, strict=True)
        )
        return Sample(written.text, tuple(written.token_ids), logprob, finish)

    def _usage(self, outputs: Sequence[Any], started: float, written: Sequence[int] = ()) -> Usage:
        """What vLLM counted: prompt tokens that it ran, those it found in its cache, and the tokens ``written`` after each prompt."""
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
            sum(lengths) - sum(cached),
            sum(cached),
            sum(written),
            flops,
            time.perf_counter() - started,
        )


def _close(llm: Any) -> None:
    """Free vLLM's engines once all are done with: those of one process share its process group, and one that goes takes it along."""
    _closed.append(llm)
    if len(_closed) == len(_open):
        for each in _closed:
            each.llm_engine.engine_core.shutdown()
        _open.clear()
        _closed.clear()


def _count_parameters(config: Any) -> int:
    """Parameters of transformers' own model of this config, made without memory; 0 where transformers has none."""
    import torch
    from transformers import AutoModelForCausalLM

    try:
        with torch.device("meta"):
            return int(
                AutoModelForCausalLM.from_config(config, trust_remote_code=False).num_parameters()
            )
    except ValueError:
        return 0
