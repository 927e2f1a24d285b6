"""The command `pushforward`, and `python -m pushforward`."""

import sys


def main() -> None:
    """Run the command line, or say which extra it needs."""
    try:
        from pushforward.service.cli.app import main as run
    except ModuleNotFoundError as missing:
        if (missing.name or "pushforward").partition(".")[0] == "pushforward":
            raise
        sys.exit(f"{missing.name} is not installed; the command line comes with: pip install 'pushforward[server]'")
    run()


if __name__ == "__main__":
    main()
