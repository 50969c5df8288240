"""How busy a server is, read from metrics, slots and lists of models."""

from __future__ import annotations

import json

import pytest

from agent.core.workload import Workload
from agent.drivers.servers.load import Load, LoadedModels, Metrics, Signal, Slots
from agent.drivers.servers.table import SERVERS
from wire.model import Kind

WORKLOAD = Workload(name="w", kind=Kind.INFERENCE, driver="vllm", model="llama3")
ROWS = {row.driver: row for row in SERVERS}

TWO_ENGINES = """\
# HELP vllm:num_requests_running Number of requests in model execution batches.
# TYPE vllm:num_requests_running gauge
vllm:num_requests_running{engine="0",model_name="a} b"} 2.0
vllm:num_requests_running{engine="1",model_name="a} b"} 1.0
vllm:num_requests_waiting{engine="0"} 4
vllm:num_requests_waiting_by_reason{engine="0",reason="capacity"} 99
vllm:generation_tokens_total{engine="0"} 1.5e3
vllm:generation_tokens_created{engine="0"} 1.7e9
vllm:request_generation_tokens_count{engine="0"} 99
"""


def look(signal: Signal, body: str) -> Load | None:
    return signal.read(body.encode(), WORKLOAD)


def of(driver: str, body: str) -> Load | None:
    return look(ROWS[driver].signals[0], body)


@pytest.mark.parametrize("driver", ["openai", "vllm", "nim"])
@pytest.mark.parametrize(
    ("exposition", "found"),
    [
        (TWO_ENGINES, Load(3, 4, 1500)),
        ("num_requests_running 1\nnum_requests_waiting 0\n", Load(1, 0)),
        ("vllm_num_requests_running 1\nray_vllm_num_requests_waiting 0", Load(1, 0)),
        ("vllm:num_requests_running 0.0\nvllm:num_requests_waiting 0", Load(0, 0, idle=True)),
        (
            (
                "vllm:num_requests_running 0\nvllm:num_requests_waiting 0\n"
                'vllm:num_requests_swapped{model_name="m"} 2.0\n'
            ),
            Load(0, 2),
        ),
        ("vllm:num_requests_running NaN\nvllm:num_requests_waiting x\n", Load()),
        ("", Load()),
        ("<html>vllm:num_requests_running 0</html>", Load()),
    ],
)
def test_vllms_names_with_and_without_prefix_and_labels(
    driver: str, exposition: str, found: Load
) -> None:
    assert of(driver, exposition) == found


@pytest.mark.parametrize("generic", [False, True])
@pytest.mark.parametrize(
    ("driver", "exposition", "found"),
    [
        (
            "sglang",
            (
                "# TYPE sglang:num_running_reqs gauge\n"
                'sglang:num_running_reqs{model_name="m"} 8.0\n'
                'sglang:num_queue_reqs{model_name="m"} 4.0\n'
                'sglang:generation_tokens_total{model_name="m"} 77.0\n'
            ),
            Load(8, 4, 77),
        ),
        (
            "tgi",
            (
                "tgi_batch_current_size 4\ntgi_queue_size 7\n"
                "tgi_request_generated_tokens_sum 8123\n"
                "tgi_request_generated_tokens_count 44\ntgi_batch_current_max_tokens 2048\n"
            ),
            Load(4, 7, 8123),
        ),
        (
            "llamacpp",
            (
                "llamacpp:requests_processing 0\nllamacpp:requests_deferred 0\n"
                "llamacpp:tokens_predicted_total 39080\n"
                "llamacpp:tokens_predicted_seconds_total 12\n"
            ),
            Load(0, 0, 39080, idle=True),
        ),
    ],
)
def test_other_servers_names(driver: str, exposition: str, found: Load, generic: bool) -> None:
    assert of("openai" if generic else driver, exposition) == found


@pytest.mark.parametrize(
    ("exposition", "found"),
    [
        ('nv_inference_pending_request_count{model="m",version="1"} 0\n', Load(None, 0, idle=True)),
        ('nv_inference_pending_request_count{model="m",version="1"} 3\n', Load(None, 3)),
        (
            (
                'nv_inference_pending_request_count{model="m"} 0\n'
                'nv_trt_llm_request_metrics{model="m",request_type="active",version="1"} 5\n'
                'nv_trt_llm_request_metrics{model="m",request_type="max",version="1"} 512\n'
            ),
            Load(5, 0),
        ),
        (
            (
                'nv_inference_pending_request_count{model="m"} 0\n'
                'vllm:num_requests_running{model="m"} 2\nvllm:num_requests_waiting{model="m"} 1\n'
            ),
            Load(2, 1),
        ),
        ("nv_gpu_utilization 0.0\n", Load()),
    ],
)
def test_triton_tells_what_waits_and_some_backends_what_runs(exposition: str, found: Load) -> None:
    assert of("triton", exposition) == found


@pytest.mark.parametrize(
    ("running", "waiting", "idle"),
    [
        ("0", "0", True),
        ("0", None, False),
        (None, "0", False),
        ("0", "1", False),
        ("1", "0", False),
    ],
)
def test_idle_needs_both_numbers(running: str | None, waiting: str | None, idle: bool) -> None:
    lines = [f"r {running}" if running else "", f"w {waiting}" if waiting else ""]
    found = look(Metrics("/metrics", ("r",), ("w",)), "\n".join(lines))
    assert found is not None
    assert found.idle is idle


@pytest.mark.parametrize(
    ("slots", "found"),
    [
        ([{"id": 0, "is_processing": False}, {"id": 1, "is_processing": True}], Load(running=1)),
        ([{"id": 0, "is_processing": False}], Load(running=0, idle=True)),
        ([], None),
        ({"error": {"code": 501}}, None),
    ],
)
def test_slots_tell_what_runs(slots: object, found: Load | None) -> None:
    assert look(Slots("/slots"), json.dumps(slots)) == found


@pytest.mark.parametrize(
    ("body", "found"),
    [
        ('{"models": []}', Load(idle=True)),
        ('{"models": null}', Load(idle=True)),
        ('{"models": [{"name": "llama3:latest", "size_vram": 1}]}', Load()),
        ('{"models": [{"model": "llama3"}]}', Load()),
        ('{"models": [{"name": "other:7b"}]}', Load(idle=True)),
        ("{}", None),
        ("[]", None),
        ("<html>", None),
        ("", None),
    ],
)
def test_a_model_in_memory_may_be_at_work(body: str, found: Load | None) -> None:
    assert look(LoadedModels("/api/ps"), body) == found
