"""Find the files of a sweep: folders that TRL's trainers write, CSV and JSON lines."""

import json
import re
from pathlib import Path
from typing import Any, NamedTuple

from .messages import BadInput, Message, some
from .rows import Row, read_rows, text_of

#: Files in which people keep a trainer's arguments as JSON (TRL itself writes a pickle).
ARGUMENT_FILES = ("training_args.json", "args.json", "grpo_config.json", "config_args.json")
#: Arguments of TRL's `GRPOConfig` that decide which law is expected, and how much was sampled.
ARGUMENTS = (
    "beta", "num_generations", "scale_rewards", "use_bias_correction_kl", "loss_type", "seed",
    "importance_sampling_level", "num_iterations", "learning_rate", "logging_steps",
)  # fmt: skip


class Table(NamedTuple):
    """Rows of one file or run, what is the same for all of them, and whether TRL wrote it."""

    label: str
    rows: list[Row]
    settings: dict[str, Any]
    trl: bool = False


def tables(paths: list[str | Path]) -> tuple[list[Table], list[Message]]:
    """Read everything that the paths hold.

    Parameters
    ----------
    paths : list of str or Path
        Files, or folders that are searched.

    Returns
    -------
    tables, messages
        Files that cannot be read are left out with a message, if others can.

    Raises
    ------
    BadInput
        If nothing can be read.

    Examples
    --------
    >>> tables(["no-such-folder"])
    Traceback (most recent call last):
    klrl_lite.diagnose.messages.BadInput: error: no-such-folder: there is no such file or folder.
    """
    found: list[Table] = []
    messages: list[Message] = []
    seen: set[Path] = set()
    for path in map(Path, paths):
        if not path.exists():
            raise BadInput("there is no such file or folder.", where=str(path))
        for label, files in _runs_in(path):
            if files[0].resolve() in seen:
                messages.append(Message("note", "given twice; read once.", where=label))
                continue
            seen.add(files[0].resolve())
            try:
                is_trl = files[0].name == "trainer_state.json"
                found.append(_trl(files, label, messages) if is_trl else
                             Table(label, read_rows(files[0], label), {}))  # fmt: skip
            except BadInput as error:
                messages.append(error.message._replace(kind="left out"))
    if not found:
        raise BadInput(messages[0].what, messages[0].do, messages[0].where)
    return found, messages


def _runs_in(path: Path) -> list[tuple[str, list[Path]]]:
    """Label and files of every run: for TRL the newest state first, older checkpoints after it."""
    if path.is_file():
        return [(path.name, [path])]
    states = sorted(path.rglob("trainer_state.json"))
    runs: dict[Path, list[tuple[float, Path]]] = {}
    for state in states:
        checkpoint = re.fullmatch(r"checkpoint-(\d+)", state.parent.name)
        folder = state.parent.parent if checkpoint else state.parent
        runs.setdefault(folder, []).append((int(checkpoint[1]) if checkpoint else 1e99, state))
    if runs:
        named = ((_label(path, f), sorted(s, reverse=True)) for f, s in sorted(runs.items()))
        return [(label, [state for _, state in ordered]) for label, ordered in named]
    exports = sorted(
        p for p in path.rglob("*") if p.suffix in (".csv", ".tsv", ".jsonl") and p.is_file()
    )
    if not exports:
        inside = [p.name for p in sorted(path.rglob("*")) if p.is_file()]
        what = f"It holds {some(inside)}." if inside else "It is empty."
        raise BadInput(f"no trainer_state.json, CSV or JSON lines in this folder. {what}",
                       "Export the log of each run to CSV.", path.name)  # fmt: skip
    return [(_label(path, p), [p]) for p in exports]


def _label(root: Path, path: Path) -> str:
    """Path from the folder that was given, so that a report holds no more than that."""
    inside = path.relative_to(root).as_posix()
    return path.name if inside == "." else inside


def _trl(files: list[Path], label: str, messages: list[Message]) -> Table:
    """Read the newest state that is whole, and the arguments beside it."""
    last: BadInput | None = None
    for file in files:
        name = f"{label}/{file.parent.name}" if len(files) > 1 else label
        try:
            history = _history(file, f"{name}/trainer_state.json")
        except BadInput as error:
            last = error
            continue
        if last is not None:
            messages.append(last.message._replace(
                kind="note", do=f"Read instead: {file.parent.name}."))  # fmt: skip
        rows = [Row(f"entry {i} of log_history", e) for i, e in enumerate(history, 1)]
        settings = _arguments([file.parent, file.parent.parent], label, messages)
        return Table(label, rows, settings, True)
    assert last is not None
    raise last


def _history(file: Path, label: str) -> list[dict[str, Any]]:
    text = text_of(file, label)
    try:
        state = json.loads(text)
    except json.JSONDecodeError as error:
        raise BadInput(
            f"not complete JSON ({error.msg}): the file was cut off or damaged.",
            "Take an older checkpoint, or save the run again.",
            f"{label}, line {error.lineno}, column {error.colno}",
        ) from None
    history = state.get("log_history") if isinstance(state, dict) else None
    if not isinstance(history, list) or not all(isinstance(e, dict) for e in history):
        raise BadInput("there is no list log_history in it.", "Is it a trainer's state?", label)
    if not history:
        raise BadInput("log_history is empty.", "Train with logging_steps below max_steps.", label)
    return history


def _arguments(folders: list[Path], label: str, messages: list[Message]) -> dict[str, Any]:
    """Arguments of the run that matter here, from JSON beside the state."""
    for file in (folder / name for folder in folders for name in ARGUMENT_FILES):
        if file.is_file():
            try:
                known = json.loads(text_of(file, f"{label}/{file.name}"))
            except json.JSONDecodeError as error:
                raise BadInput(f"not complete JSON ({error.msg}).",
                               "Write it again with trainer.args.to_json_string().",
                               f"{label}/{file.name}, line {error.lineno}") from None  # fmt: skip
            known = known if isinstance(known, dict) else {}
            per_step = _answers_per_step(known)
            found = {k: known[k] for k in ARGUMENTS if known.get(k) is not None}
            return found | ({"per_step": per_step} if per_step else {})
    if any((folder / "training_args.bin").is_file() for folder in folders):
        messages.append(Message(
            "note", "training_args.bin is a pickle, which may run code when it is read: not read.",
            "Write trainer.args.to_json_string() to training_args.json beside it, or use --set "
            "and --from-path.", label))  # fmt: skip
    return {}


def _answers_per_step(known: dict[str, Any]) -> float | None:
    """New completions for each optimizer step, over all processes."""
    try:
        per_generation = float(known["generation_batch_size"])
        steps = float(known["steps_per_generation"]) * float(known.get("num_iterations") or 1)
        return per_generation * float(known["gradient_accumulation_steps"]) / steps
    except (KeyError, TypeError, ValueError, ZeroDivisionError):
        return None
