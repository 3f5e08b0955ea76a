"""The command line: `python -m klrl_lite.diagnose PATH...`."""

import argparse
import json
import math
import sys
from pathlib import Path

from .core import diagnose
from .messages import BadInput
from .options import COLUMNS, Options, pairs, support
from .text import as_json, as_text

DESCRIPTION = """\
Diagnose a sweep over the KL coefficient beta that a trainer wrote.

Is there a crossing of one half, where, and how sure? Which law do the runs follow at equilibrium:
Gibbs at beta, Gibbs at beta sigma (division by the std), or that of a literal k3 penalty; and can
the data tell? Have the runs settled? With log-probabilities of answers: at which effective
temperature does a run stand, and how far from a Gibbs policy?"""

EPILOG = f"""\
what is read
  TRL      folders with trainer_state.json, in checkpoint-N folders or not; beside it, arguments
           as training_args.json (write trainer.args.to_json_string(); the pickle
           training_args.bin is never opened)
  CSV      with a header, one row per logged step or per run
  JSONL    one object per line; cfg.beta finds beta inside cfg
  a file with one row per answer (logp, ref_logp, reward) gives effective temperatures

examples
  python -m klrl_lite.diagnose runs/ --html report.html
  python -m klrl_lite.diagnose sweep.csv --map success=eval/acc --map beta=cfg.beta --percent
  python -m klrl_lite.diagnose runs/ --from-path 'beta(?P<beta>[0-9.e-]+)' --samples 640
  python -m klrl_lite.diagnose a.jsonl b.jsonl --set num_generations=16 --p-ref 13/1000
  python -m klrl_lite.diagnose answers.jsonl --map logp=lp --map ref_logp=lp_base

names for --map
  {", ".join(list(COLUMNS)[:9])},
  {", ".join(list(COLUMNS)[9:])}

exit codes
  0  one family of laws fits and no doubt speaks against it (or: effective temperatures only)
  1  no law is named: the data cannot tell, none fits, or a doubt withholds the answer
  2  the input or an option cannot be used; the message says where, and what to do"""


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line.

    Examples
    --------
    >>> parser().parse_args(["runs", "--gap", "2"]).gap
    2.0
    """
    p = argparse.ArgumentParser(
        prog="python -m klrl_lite.diagnose", description=DESCRIPTION, epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    p.add_argument("paths", nargs="+", metavar="PATH", help="file, or folder to search")
    p.add_argument("--map", action="append", default=[], metavar="NAME=COLUMN",
                   help="column that holds NAME (see below)")  # fmt: skip
    fixed = (
        "the same for all runs: beta, num_generations, scale_rewards, use_bias_correction_kl, "
        "ddof (1 if the std has Bessel's correction)"
    )
    p.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help=fixed)
    p.add_argument("--from-path", default="", metavar="REGEX",
                   help="named groups (beta, seed, ...) found in each path")  # fmt: skip
    p.add_argument("--percent", action="store_true", help="success rates are in percent")
    p.add_argument("--samples", type=float, metavar="N", help="answers behind each logged rate")
    p.add_argument("--p-ref", metavar="P", help="support of the reference: 0.013, or 13/1000")
    p.add_argument("--gap", type=float, help="reward of a right answer above a wrong one")
    p.add_argument("--tail", type=float, default=0.5, help="share of each run averaged (0.5)")
    p.add_argument("--slack", type=float, default=0.05,
                   help="nats of log-odds by which a law may be off (0.05)")  # fmt: skip
    p.add_argument("--level", type=float, default=0.05,
                   help="a true law is left out at most this often (0.05)")  # fmt: skip
    p.add_argument("--resamples", type=int, default=399, help="of the bootstrap (399)")
    p.add_argument("--seed", type=int, default=0, help="of the bootstrap (0)")
    p.add_argument("--json", metavar="FILE", help="write everything as JSON")
    p.add_argument("--html", metavar="FILE", help="write a report with figures, self-contained")
    return p


def options_of(given: argparse.Namespace) -> Options:
    """Check what was given on the command line.

    Raises
    ------
    BadInput
        Names the option, and the values that it takes.

    Examples
    --------
    >>> options_of(parser().parse_args(["runs", "--tail", "2"]))
    Traceback (most recent call last):
    klrl_lite.diagnose.messages.BadInput: error: --tail: 2 must be above 0 and at most 1.
    """
    rules = (
        ("tail", 0.0 < given.tail <= 1.0, "above 0 and at most 1"),
        ("slack", 0.0 <= given.slack < math.inf, "0 or more, and finite"),
        ("level", 0.0 < given.level < 0.5, "between 0 and 0.5"),
        ("samples", given.samples is None or 1 <= given.samples < math.inf,
         "1 or more, and finite"),
        ("gap", given.gap is None or 0 < given.gap < math.inf, "above 0, and finite"),
        ("resamples", given.level <= 0.0 or given.resamples >= 2 / given.level - 1,
         "at least 2/level - 1, or nothing can be left out"),
        ("seed", given.seed >= 0, "0 or more"),
    )  # fmt: skip
    for name, fine, rule in rules:
        if not fine:
            raise BadInput(f"{getattr(given, name):g} must be {rule}.", where=f"--{name}")
    return Options(
        pairs(given.map, "--map"), dict(pairs(given.set, "--set")), given.from_path,
        given.percent, given.samples, None if given.p_ref is None else support(given.p_ref),
        given.gap, given.tail, given.slack, given.level, given.resamples, given.seed,
    )  # fmt: skip


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; return its exit code.

    Examples
    --------
    >>> main(["no-such-folder"])
    2
    """
    given = parser().parse_args(arguments)
    try:
        report = diagnose(given.paths, options_of(given))
        if given.json:
            text = json.dumps(as_json(report), indent=1, allow_nan=False)
            _save(given.json, text + "\n", "--json")
        if given.html:
            from .page import as_html

            _save(given.html, as_html(report), "--html")
    except BadInput as error:
        sys.stderr.write(f"{error}\n")
        return 2
    sys.stdout.write(as_text(report))
    done = report.answer == "law" or (report.slopes and not report.points)
    return 0 if done else 1


def _save(file: str, text: str, option: str) -> None:
    try:
        Path(file).write_text(text, encoding="utf-8")
    except OSError as error:
        raise BadInput(f"{file} cannot be written ({error.strerror}).", where=option) from None
