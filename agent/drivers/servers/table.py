"""Every inference server whose API is known, one row each, with what its names were taken from."""

from __future__ import annotations

from agent.core.workload import Workload
from agent.drivers.servers import prompt
from agent.drivers.servers.load import LoadedModels, Metrics, Slots
from agent.drivers.servers.nap import Nap
from agent.drivers.servers.prompt import Prompt
from agent.drivers.servers.row import Server

_OPENAI = (
    Prompt("/v1/completions", prompt.completion, "choices[].text"),
    Prompt("/v1/chat/completions", prompt.chat, "choices[].message.content"),
)

_VLLM_RUNNING = ("num_requests_running",)
_VLLM_WAITING = ("num_requests_waiting", "num_requests_swapped")
"""The first engine of vLLM put requests aside too; they are in progress all the same."""
_VLLM_TOKENS = ("generation_tokens_total",)

_SGLANG_RUNNING, _SGLANG_WAITING = ("sglang:num_running_reqs",), ("sglang:num_queue_reqs",)
_SGLANG_TOKENS = ("sglang:generation_tokens_total",)

_TGI_RUNNING, _TGI_WAITING = ("tgi_batch_current_size",), ("tgi_queue_size",)
_TGI_TOKENS = ("tgi_request_generated_tokens_sum",)

_LLAMA_RUNNING = ("llamacpp:requests_processing",)
_LLAMA_WAITING = ("llamacpp:requests_deferred",)
_LLAMA_TOKENS = ("llamacpp:tokens_predicted_total",)

# Older servers know only the second way to say that requests in progress shall finish, and would
# abort them without it.
_PAUSE = "/pause?mode=wait&wait_for_inflight_requests=true&clear_cache=false"

# vLLM's sleep mode. After level 2 the weights must be loaded into memory that was taken before.
_VLLM_NAP = Nap(
    sleep="/sleep?level={level}",
    wake=(("/wake_up", None),),
    wake_anew=(
        ("/wake_up?tags=weights", None),
        ("/collective_rpc", {"method": "reload_weights"}),
        ("/wake_up?tags=kv_cache", None),
    ),
    kept=Metrics("/metrics", ('engine_sleep_state{sleep_state="weights_offloaded"}',), ()),
    state="/is_sleeping",
    says="is_sleeping",
    option="--enable-sleep-mode",
    variable="VLLM_SERVER_DEV_MODE",
)


def _let_go(workload: Workload) -> dict[str, object]:
    return {"model": workload.model, "keep_alive": 0}


SERVERS = (
    # Whatever speaks OpenAI's API and tells how busy it is by a name that is known here.
    Server(
        driver="openai",
        title="OpenAI-compatible",
        health="/health",
        signals=(
            Metrics(
                "/metrics",
                running=(*_VLLM_RUNNING, *_SGLANG_RUNNING, *_TGI_RUNNING, *_LLAMA_RUNNING),
                waiting=(*_VLLM_WAITING, *_SGLANG_WAITING, *_TGI_WAITING, *_LLAMA_WAITING),
                tokens=(*_VLLM_TOKENS, *_SGLANG_TOKENS, *_TGI_TOKENS, *_LLAMA_TOKENS),
            ),
        ),
        prompts=_OPENAI,
        quiesce=_PAUSE,
        resume="/resume",
    ),
    # vLLM: vllm/v1/metrics and the development endpoints of vllm-project/vllm.
    Server(
        driver="vllm",
        title="vLLM",
        health="/health",
        signals=(Metrics("/metrics", _VLLM_RUNNING, _VLLM_WAITING, _VLLM_TOKENS),),
        prompts=_OPENAI,
        quiesce=_PAUSE,
        resume="/resume",
        finish_option="--shutdown-timeout",
        nap=_VLLM_NAP,
        needs="`VLLM_SERVER_DEV_MODE=1` in `environment` lets it admit nothing new while it drains",
    ),
    # SGLang: its metrics collector in sgl-project/sglang. Its own pause never lets requests finish.
    Server(
        driver="sglang",
        title="SGLang",
        health="/health",
        signals=(Metrics("/metrics", _SGLANG_RUNNING, _SGLANG_WAITING, _SGLANG_TOKENS),),
        prompts=_OPENAI,
        needs="`--enable-metrics`",
    ),
    # Text Generation Inference: its list of metrics in huggingface/text-generation-inference.
    Server(
        driver="tgi",
        title="Text Generation Inference",
        health="/health",
        signals=(Metrics("/metrics", _TGI_RUNNING, _TGI_WAITING, _TGI_TOKENS),),
        prompts=(Prompt("/generate", prompt.tgi, "generated_text"), *_OPENAI),
    ),
    # llama.cpp: tools/server/README.md of ggml-org/llama.cpp.
    Server(
        driver="llamacpp",
        title="llama.cpp server",
        health="/health",
        signals=(
            Metrics("/metrics", _LLAMA_RUNNING, _LLAMA_WAITING, _LLAMA_TOKENS),
            Slots("/slots"),
        ),
        prompts=_OPENAI,
        needs="`--metrics`; without it its slots tell what runs, but not what waits",
    ),
    # Ollama: docs/api.md and the scheduler of ollama/ollama. A model that is let go leaves memory
    # when its last request has finished; the next request loads it again.
    Server(
        driver="ollama",
        title="Ollama",
        health="/api/version",
        signals=(LoadedModels("/api/ps"),),
        prompts=(Prompt("/api/generate", prompt.ollama, "response"),),
        quiesce="/api/generate",
        quiesce_body=_let_go,
        needs="`model` as `ollama list` shows it",
    ),
    # Triton: docs/user_guide/metrics.md and the generate extension of triton-inference-server.
    Server(
        driver="triton",
        title="Triton Inference Server",
        health="/v2/health/ready",
        signals=(
            Metrics(
                "/metrics",
                running=(*_VLLM_RUNNING, 'nv_trt_llm_request_metrics{request_type="active"}'),
                waiting=(*_VLLM_WAITING, "nv_inference_pending_request_count"),
                tokens=_VLLM_TOKENS,
                tells_running=False,
            ),
        ),
        prompts=(
            Prompt("/v2/models/{model}/generate", prompt.triton, "text_output"),
            Prompt("/v2/models/{model}/infer", prompt.triton_infer, "outputs[].data[]"),
        ),
        metrics_apart=True,
        finish_option="--exit-timeout-secs",
        needs=(
            "`--exit-timeout-secs` for requests at work, of which most of its backends tell "
            "nothing; an empty `readiness.prompt` for models that do not generate text"
        ),
    ),
    # NIM for language models: docs.nvidia.com/nim; vLLM's metrics, without a prefix in older ones.
    Server(
        driver="nim",
        title="NVIDIA NIM",
        health="/v1/health/ready",
        signals=(Metrics("/v1/metrics", _VLLM_RUNNING, _VLLM_WAITING, _VLLM_TOKENS),),
        prompts=_OPENAI,
    ),
)
