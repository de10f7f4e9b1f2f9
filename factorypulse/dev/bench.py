"""`make bench`: run the benchmarks, each a module of `benchmarks` with a `main`, one after the other."""

import pkgutil
import subprocess
import sys

import benchmarks


def main(wanted: list[str]) -> int:
    """Run all, or those named. Returns the exit code."""
    there = sorted(module.name for module in pkgutil.iter_modules(benchmarks.__path__) if module.name[0] != "_")
    unknown = sorted(set(wanted) - set(there))
    if unknown:
        print(
            f"There is no benchmark {', '.join(unknown)}; there are: {', '.join(there) or 'none yet'}.", file=sys.stderr
        )
        return 2
    codes = [
        subprocess.run([sys.executable, "-m", f"benchmarks.{name}"], check=False).returncode for name in wanted or there
    ]
    return max(codes, default=0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
