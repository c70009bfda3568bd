"""Run the questions: `python -m benchmarks [--small] [QUESTION …]`."""

import sys
from importlib import import_module

from benchmarks.running import RESULTS, Bench, use_two_cores

QUESTIONS = ("effective_draws", "whole_process", "rows_to_statistics", "time_and_memory")


def main(arguments: list[str]) -> None:
    """Run the named questions, or all; then draw their figures and print the ratios."""
    small = "--small" in arguments
    chosen = [name for name in arguments if name != "--small"] or QUESTIONS
    if unknown := set(chosen) - set(QUESTIONS):
        sys.exit(f"no question is called {sorted(unknown)}; there are {', '.join(QUESTIONS)}.")
    use_two_cores()
    failed = []
    for name in chosen:
        question = import_module(f"benchmarks.{name}")
        bench = Bench(name)
        question.run(bench, question.SMALL if small else question.FULL)
        bench.write()
        failed += bench.failed
    tell(chosen)
    if failed:
        sys.exit("these cases failed; make bench tries them again:\n" + "\n".join(failed))


def tell(questions: tuple[str, ...] | list[str]) -> None:
    """Draw the figures from the tables, and print the ratios."""
    from benchmarks import bars, benchmark_table, figures

    for name in questions:
        table = benchmark_table(name)
        figures.draw(name, table, RESULTS / f"{name}.svg")
        for ratio in getattr(bars, name, lambda _: [])(table):
            print(f"{name}: {ratio}")


if __name__ == "__main__":
    main(sys.argv[1:])
