"""Messages to the person at the terminal, and commands whose output goes to a log."""

import errno
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path


class Failure(Exception):
    """Something the reader has to know, in a few lines, with the exit code."""

    def __init__(self, message: str, code: int = 1) -> None:
        super().__init__(message)
        self.code = code


def say(message: str) -> None:
    """Print at once, also into a pipe and on a terminal without UTF-8."""
    encoding = sys.stdout.encoding or "ascii"
    print(message.encode(encoding, "replace").decode(encoding), flush=True)


def logged(
    command: Sequence[str | Path],
    log: Path,
    *,
    cwd: Path,
    env: Mapping[str, str] | None = None,
    on_line: Callable[[str], None] | None = None,
    inherited: Sequence[int] = (),
) -> int:
    """Run a command with all its output in `log`; each line is also handed to `on_line`."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("w", encoding="utf-8") as file:
        process = subprocess.Popen(
            [str(part) for part in command],
            cwd=cwd,
            env=env,
            pass_fds=inherited,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            errors="replace",
        )
        try:
            for line in process.stdout:
                file.write(line)
                if on_line:
                    on_line(line.rstrip("\n"))
        except BaseException:
            process.terminate()
            raise
        finally:
            process.wait()
    return process.returncode


def cause(error: OSError) -> str:
    """Say what the system refused, and what helps where that is known."""
    where = f"{error.filename}: " if error.filename else ""
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return f"{where}{error.strerror}. Make room and start again; half-done work is made anew."
    if error.errno in (errno.EROFS, errno.EACCES, errno.EPERM):
        return (
            f"{where}{error.strerror}. What is made is written into the book's own folder: "
            "work on a copy that you may write to."
        )
    return f"{where}{error.strerror or error}"


def tail(path: Path, lines: int = 12) -> str:
    """Return the last lines of a log."""
    return "\n".join(path.read_text(encoding="utf-8", errors="replace").splitlines()[-lines:])
