"""`make bench`: run the benchmarks, each a module of `benchmarks` with a `main()`, one after the other."""

import pkgutil
import re
import subprocess
import sys
from pathlib import Path

import benchmarks

# What asks for arguments is an instrument, not a benchmark.
_MAIN = re.compile(r"^def main\(\)", re.MULTILINE)


def main(wanted: list[str]) -> int:
    """Run all, or those named. Returns the exit code."""
    there = sorted(module.name for module in pkgutil.iter_modules(benchmarks.__path__) if _is_benchmark(module.name))
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


def _is_benchmark(name: str) -> bool:
    folder = Path(benchmarks.__path__[0])
    sources = (folder / f"{name}.py", folder / name / "__main__.py")
    return any(source.exists() and _MAIN.search(source.read_text(encoding="utf-8")) for source in sources)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
