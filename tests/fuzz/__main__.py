"""`python -m tests.fuzz --corpus DIR`: libFuzzer, by way of atheris, at each decoder; what it finds is an error."""

import argparse
import subprocess
import sys
from pathlib import Path

from tests.fuzz.targets import SEEDS, TARGETS


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--seconds", type=int, default=60, help="for each decoder (default: %(default)s)")
    parser.add_argument("--corpus", type=Path, required=True, help="folder that keeps what was interesting")
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=f"of {', '.join(TARGETS)}; all otherwise")
    options = parser.parse_args()
    failed = [name for name in options.targets or TARGETS if not _fuzzed(name, options)]
    print(f"Found in: {', '.join(failed)}" if failed else "Nothing was found")
    return bool(failed)


def _fuzzed(name: str, options: argparse.Namespace) -> bool:
    """A process of its own, because libFuzzer ends the one it runs in."""
    corpus = options.corpus / name
    corpus.mkdir(parents=True, exist_ok=True)
    for number, seed in enumerate(SEEDS[name]):
        (corpus / f"seed-{number}").write_bytes(seed)
    limits = [f"-max_total_time={options.seconds}", "-max_len=4096", "-timeout=10", "-rss_limit_mb=1024"]
    findings = f"-artifact_prefix={options.corpus}/found-{name}-"
    command = [sys.executable, "-m", "tests.fuzz.run", name, str(corpus), *limits, findings, "-print_final_stats=1"]
    return subprocess.run(command, check=False).returncode == 0


if __name__ == "__main__":
    sys.exit(main())
