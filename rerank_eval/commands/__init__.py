"""The commands besides a run: report, compare, baseline, check-data, verify, store; one module each, `compare` and `baseline` in `gate`. Their parts are imported when one is called."""

from collections.abc import Sequence

COMMANDS = ("report", "compare", "baseline", "check-data", "verify", "store")


def run_command(name: str, arguments: Sequence[str]) -> int:
    """Run one of `COMMANDS` and return its exit code.

    Raises:
        RerankEvalError: an argument or an input is wrong, or there is nothing to trust.
    """
    if name == "report":
        from rerank_eval.commands.report import run_report

        return run_report(arguments)
    if name == "check-data":
        from rerank_eval.commands.check_data import run_check_data

        return run_check_data(arguments)
    if name == "verify":
        from rerank_eval.commands.verify import run_verify
        from rerank_eval.hardware import vector_instructions

        return run_verify(arguments, vector_instructions() or ())
    if name == "store":
        from rerank_eval.commands.store import run_store

        return run_store(arguments)
    from rerank_eval.commands.gate import run_baseline, run_compare

    return run_compare(arguments) if name == "compare" else run_baseline(arguments)
