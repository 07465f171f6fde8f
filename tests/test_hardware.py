"""The machine that a result was made on."""

from rerank_eval.hardware import describe_hardware, vector_instructions


def test_hardware_names_what_latency_depends_on() -> None:
    hardware = describe_hardware()
    assert hardware["processor"]
    assert isinstance(hardware["usable_cores"], int)
    assert 1 <= hardware["usable_cores"] <= int(str(hardware["cores"]))
    memory = hardware["memory_gib"]
    assert memory is None or (isinstance(memory, float) and memory > 0)


def test_vector_instructions_are_known_names_or_unknown() -> None:
    found = vector_instructions()
    assert found is None or set(found) <= {
        "avx2",
        "avx512f",
        "avx512_vnni",
        "avx_vnni",
        "amx_int8",
        "asimd",
        "asimddp",
        "i8mm",
        "sve",
    }
    assert describe_hardware()["vector_instructions"] == found
