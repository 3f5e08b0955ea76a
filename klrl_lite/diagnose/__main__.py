"""Entry point of `python -m klrl_lite.diagnose`."""

from .cli import main

if __name__ == "__main__":
    raise SystemExit(main())
