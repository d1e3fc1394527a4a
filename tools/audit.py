"""Ask the advisory service about every package of this environment: ``make audit``.

Exit 1 where one has a known vulnerability. Where the service cannot be reached, or knows none of the packages (a mirror without
advisories), that is said in one line and the exit code is 0: a machine without the network can still run everything else.
"""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass

SERVICES = ("pypi", "osv")
TIMEOUT_S = 20


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What a service said: packages it knows, and the lines of those that are vulnerable."""

    num_audited: int
    num_unknown: int
    vulnerable: tuple[str, ...]


def ask(service: str) -> Answer | str:
    """The answer of a service, or in a few words why there is none."""
    words = ["-s", service, "--progress-spinner", "off", "--format", "json", "--skip-editable", "--timeout", str(TIMEOUT_S)]
    done = subprocess.run([sys.executable, "-m", "pip_audit", *words], capture_output=True, text=True, check=False)
    try:
        packages = json.loads(done.stdout)["dependencies"]
    except (json.JSONDecodeError, KeyError):
        last = (done.stderr.strip().splitlines() or ["no answer"])[-1]
        return f"{service}: {' '.join(last.split())[:160]}"
    known = [one for one in packages if "skip_reason" not in one]
    if not known:
        return f"{service}: it knows none of the {len(packages)} packages"
    lines = [
        f"{one['name']} {one['version']}: {found['id']}, mended in {', '.join(found['fix_versions']) or 'no release yet'}"
        for one in known
        for found in one["vulns"]
    ]
    return Answer(num_audited=len(known), num_unknown=len(packages) - len(known), vulnerable=tuple(lines))


def main() -> int:
    """Ask one service after the other until one answers."""
    reasons = []
    for service in SERVICES:
        found = ask(service)
        if isinstance(found, str):
            reasons.append(found)
            continue
        print("\n".join(found.vulnerable) or f"{found.num_audited} packages without a known vulnerability")
        if found.num_unknown:
            print(f"not known to the service, so not audited: {found.num_unknown} packages")
        return 1 if found.vulnerable else 0
    print(f"skipped: no advisory service answered ({'; '.join(reasons)})")
    return 0


if __name__ == "__main__":
    sys.exit(main())
