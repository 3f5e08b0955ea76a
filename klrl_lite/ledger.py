"""The ledger: what the checks of executed notebooks say about the claims, taken together."""

import json
from collections.abc import Collection, Iterable, Mapping
from os import PathLike
from pathlib import Path
from typing import Any

from .claims import derived_verdict


def records_in(notebook: dict[str, Any] | str | PathLike[str]) -> list[dict[str, Any]]:
    """Records of the checks in an executed notebook, in order.

    Parameters
    ----------
    notebook : dict or path-like
        A notebook as JSON, or a file that holds one.

    Returns
    -------
    list of dict
        What `klrl_lite.claims` stored with its outputs.

    Examples
    --------
    >>> records_in({"cells": [{"outputs": [{"metadata": {"klrl": {"ids": ["S1.1"]}}}]}]})
    [{'ids': ['S1.1']}]
    """
    if isinstance(notebook, dict):
        data = notebook
    else:
        data = json.loads(Path(notebook).read_text(encoding="utf-8"))
    outputs = (o for cell in data["cells"] for o in cell.get("outputs", ()))
    return [o["metadata"]["klrl"] for o in outputs if "klrl" in o.get("metadata", {})]


def by_claim(records: Iterable[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    """Group records by claim id; a record of several claims stands under each.

    Examples
    --------
    >>> list(by_claim([{"ids": ["S1.1", "S1.2"]}, {"ids": ["S1.1"]}]))
    ['S1.1', 'S1.2']
    """
    grouped: dict[str, list[dict[str, Any]]] = {}
    for record in records:
        for name in record["ids"]:
            grouped.setdefault(name, []).append(record)
    return grouped


def problems(
    entries: Mapping[str, Any], records: Iterable[dict[str, Any]], finished: Collection[str]
) -> list[str]:
    """Everything about the claims that must not be so, one sentence each.

    Parameters
    ----------
    entries : dict
        The claims file, as `claims.load` gives it.
    records : list of dict
        Of all notebooks.
    finished : set of str
        Chapters ("01", "07") that exist as notebooks; every testable claim of theirs must be
        exercised there or elsewhere.

    Returns
    -------
    list of str
        Empty if all is well.

    Examples
    --------
    >>> entry = {"chapter": "01", "verdict": "holds"}
    >>> problems({"S1.1": entry}, [], {"01"})
    ['S1.1 belongs to finished chapter 01 and no cell checks it']
    """
    found = []
    grouped = by_claim(records)
    unknown = sorted(grouped.keys() - entries.keys())
    found += [f"{name} is checked and is not in the claims file" for name in unknown]
    for name, entry in entries.items():
        checks = grouped.get(name, [])
        found += [f"{name} fails: {c['failure']}" for c in checks if c["failure"]]
        if entry["verdict"] == "analogy":
            if checks:
                found.append(f"{name} is called an analogy and yet a cell checks it")
        elif not checks:
            if entry["chapter"] in finished:
                chapter = entry["chapter"]
                found.append(f"{name} belongs to finished chapter {chapter} and no cell checks it")
        elif derived_verdict(checks) != entry["verdict"]:
            found.append(
                f"{name} has the verdict {entry['verdict']!r}; its evidence amounts to "
                f"{derived_verdict(checks)!r}"
            )
    return found


def told_once(entries: Mapping[str, Any], verdict: str) -> list[list[str]]:
    """Claims of one verdict, those that say the same (`same_as`) together, in the file's order.

    Parameters
    ----------
    entries : dict
        The claims file, or a part of it.
    verdict : str

    Returns
    -------
    list of list of str
        Every claim of that verdict once.

    Examples
    --------
    >>> entry = {"verdict": "holds"}
    >>> told_once({"A": entry | {"same_as": ["C"]}, "B": entry, "C": entry}, "holds")
    [['A', 'C'], ['B']]
    """
    left = {name: entry for name, entry in entries.items() if entry["verdict"] == verdict}
    links = {name: set(entry.get("same_as", ())) for name, entry in left.items()}
    groups = []
    while left:
        group, new = set(), {next(iter(left))}
        while new:
            group |= new
            said = set().union(*(links[name] for name in new))
            said |= {name for name in left if links[name] & new}
            new = said & left.keys() - group
        groups.append([name for name in left if name in group])
        left = {name: entry for name, entry in left.items() if name not in group}
    return groups
