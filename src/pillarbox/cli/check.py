"""pillarbox check."""

from __future__ import annotations

from pathlib import Path

import click

from pillarbox.cli.options import config_option, json_option
from pillarbox.cli.output import show


@click.command("check")
@config_option
@json_option
def command(config: Path, as_json: bool) -> int:
    """See whether the configuration is going to work, and say what to do next.

    Looks at the file, the data directory, the certificate, the ports and what the store holds.
    Asks nothing of the network. Exit status 1 if something will not work.
    """
    from pillarbox.app.checkup import whole
    from pillarbox.app.loops import run
    from pillarbox.config.load import load

    findings = run(whole(load(config)))
    bad = any(finding.level == "error" for finding in findings)
    value = {"ok": not bad, "findings": [finding.value() for finding in findings]}

    def people() -> list[str]:
        width = max(len(finding.subject) for finding in findings)
        lines = [f"ok       {'config':{width}}  {config}"]
        for finding in findings:
            lines.append(f"{finding.level:8} {finding.subject:{width}}  {finding.text}")
            if finding.hint:
                lines.append(f"{'':8} {'':{width}}  → {finding.hint}")
        return lines

    show(value, as_json, people)
    return int(bad)
