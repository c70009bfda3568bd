"""Run tests again and again on a busy machine: what falls by chance falls here.

    python tests/again.py tests/site                       30 times, beside 4 busy loops
    python tests/again.py --times 3 --loops 4 --numprocesses 2

What it does not know is handed to pytest. It stops at the first run that fails.
"""

import argparse
import subprocess
import sys
import time

BUSY = [sys.executable, "-c", "while True: pass"]


def main():
    """Start the loops, run the tests, say how long each run took."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--times", type=int, default=30)
    parser.add_argument("--loops", type=int, default=4)
    asked, for_pytest = parser.parse_known_args()
    command = [sys.executable, "-m", "pytest", "-q", "--durations=0", "-p", "no:cacheprovider"]
    loops = [subprocess.Popen(BUSY) for _ in range(asked.loops)]
    try:
        for run in range(1, asked.times + 1):
            began = time.monotonic()
            done = subprocess.run([*command, *for_pytest], capture_output=True, text=True)
            if done.returncode:
                raise SystemExit(f"{done.stdout}\nrun {run} of {asked.times} failed")
            summary = done.stdout.splitlines()[-1]
            print(f"run {run}: {time.monotonic() - began:.0f} s, {summary}", flush=True)
    finally:
        for loop in loops:
            loop.kill()


if __name__ == "__main__":
    main()
